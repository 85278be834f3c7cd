import Bytes
import JSONRPC
import TestSupport
import Testing

@Suite("The frame decoder")
struct FrameDecoderTests {
    private typealias Event = FrameLog.Event

    private func messages(_ texts: String...) -> [Event] {
        texts.map { .message(Array($0.utf8)) }
    }

    private func framed(_ body: String) -> String {
        "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// Expects `events` of `stream` in pieces of every single size, cut in two everywhere, and in random pieces.
    private func expect(_ stream: String, _ events: [Event], messageBytesMax: Int = 1 << 20) {
        let bytes = Array(stream.utf8)
        bytes.withByteView { view in
            func check(_ how: String, _ pieces: () -> Int) {
                let found = FrameLog.events(of: view, messageBytesMax: messageBytesMax, pieces: pieces)
                #expect(found == events, "\(how)")
            }
            for size in 1...max(view.count, 1) { check("pieces of \(size)") { size } }
            for cut in 1..<max(view.count, 2) {
                var isFirst = true
                check("cut at \(cut)") {
                    defer { isFirst = false }
                    return isFirst ? cut : view.count
                }
            }
            var random = SeededGenerator(seed: 1)
            for round in 0..<20 {
                check("random pieces, round \(round)") { Int.random(in: 1...10, using: &random) }
            }
        }
    }

    @Test("cuts lines, with or without a carriage return, and passes over blank ones")
    func lines() {
        expect("{\"a\":1}\n[2]\r\n\n\r\n  \t \n \r\n\r\r\n3\n", messages("{\"a\":1}", "[2]", "3"))
    }

    @Test("keeps a carriage return within a line, and waits for the newline")
    func withinLine() {
        expect("{\r \r}\nlast", messages("{\r \r}"))
        expect("last", [])
        expect("\n", [])
        expect("", [])
    }

    @Test("keeps the white space around a message in its line")
    func spaces() {
        expect("  1\t\n", messages("  1\t"))
    }

    @Test("reads messages behind Content-Length headers")
    func counted() {
        let stream = framed("{\"a\":1}") + framed("[\n2\n]") + "\r\n" + framed("\"é\"") + "\n" + framed("3")
        expect(stream, messages("{\"a\":1}", "[\n2\n]", "\"é\"", "3"))
    }

    @Test(
        "understands headers in every usual spelling",
        arguments: [
            "Content-Length: 2\r\n\r\n{}", "content-length: 2\r\n\r\n{}", "CONTENT-LENGTH:2\r\n\r\n{}",
            "Content-Length:   2  \r\n\r\n{}", "Content-Length: 2\n\n{}", "Content-Length:\t2\n\r\n{}",
            "Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{}",
            "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
            "Content-Type: a:b:c\nContent-Length: 2\n\n{}", "cOnTeNt-lEnGtH: 002\r\n\r\n{}",
        ]
    )
    func headers(stream: String) {
        expect(stream + "\r\n" + framed("1"), messages("{}", "1"))
    }

    @Test(
        "gives up on a header that does not tell one length",
        arguments: [
            "Content-Length: x\r\n\r\n{}", "Content-Length: \r\n\r\n{}", "Content-Length: -1\r\n\r\n{}",
            "Content-Length: +2\r\n\r\n{}", "Content-Length: 2.0\r\n\r\n{}", "Content-Length: 0x2\r\n\r\n{}",
            "Content-Length: 2, 2\r\n\r\n{}", "Content-Length: 2 2\r\n\r\n{}", "Content-Type: a\r\n\r\n{}",
            "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "Content-Length 2\r\n\r\n{}",
            "Content-Length: 2\r\nnonsense\r\n\r\n{}", "Content-Length: 99999999999999999999\r\n\r\n{}",
            "Content-Length: 9223372036854775808\r\n\r\n{}", "Content-Length : 2\r\n\r\n{}", "C\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "Content-Len: 2\r\n\r\n{}", "Content\rLength: 2\r\n\r\n{}",
        ]
    )
    func badHeaders(stream: String) {
        expect(stream, [.unreadableHeader])
        let after = framed("1") + stream
        #expect(FrameLog.events(of: after) == messages("1") + [.unreadableHeader])
    }

    @Test("gives up on a header that does not end")
    func endlessHeader() {
        let fits = "Content-Length: 2\r\nX: " + String(repeating: "y", count: 4096 - 26) + "\r\n\r\n"
        #expect(fits.utf8.count == 4096)
        #expect(FrameLog.events(of: fits + "{}") == messages("{}"))
        for extra in [1, 2, 100, 10_000] {
            let text = "Content-Length: 2\r\nX: " + String(repeating: "y", count: 4096 - 26 + extra) + "\r\n\r\n{}"
            text.withByteView { view in
                for size in [1, 7, 4095, 4096, 4097, 20_000] {
                    let events = FrameLog.events(of: view, messageBytesMax: 100) { size }
                    #expect(events == [.unreadableHeader], "\(extra) more, pieces of \(size)")
                }
            }
        }
    }

    @Test("passes over messages of no bytes or of white space")
    func blankCounted() {
        expect(framed("") + framed("  ") + framed("\r\n") + framed("1") + framed(""), messages("1"))
    }

    @Test("takes a line at the limit, refuses one beyond, and goes on", arguments: ["\n", "\r\n"])
    func lineLimit(end: String) {
        let fits = String(repeating: "x", count: 10)
        expect(
            fits + end + fits + "y" + end + "z" + end,
            messages(fits) + [.tooLarge] + messages("z"),
            messageBytesMax: 10
        )
        for count in [12, 13, 100] {
            let long = String(repeating: "x", count: count)
            expect("1" + end + long + end + "2" + end, messages("1") + [.tooLarge] + messages("2"), messageBytesMax: 10)
        }
    }

    @Test("takes a line of blanks beyond the limit for too large, however it arrives")
    func longBlankLine() {
        expect(String(repeating: " ", count: 50) + "\n1\n", [.tooLarge] + messages("1"), messageBytesMax: 10)
        expect(String(repeating: " ", count: 10) + "\r\n1\n", messages("1"), messageBytesMax: 10)
    }

    @Test("tells once of a line too large that never ends, and holds none of it")
    func endlessLine() {
        expect(String(repeating: "x", count: 500), [.tooLarge], messageBytesMax: 10)
    }

    @Test("takes a counted message at the limit, refuses one beyond, and goes on")
    func countedLimit() {
        let fits = String(repeating: "x", count: 10)
        let stream = framed(fits) + framed(fits + "y") + framed("z") + framed(fits + fits + fits) + "\r\n" + framed("1")
        expect(stream, messages(fits) + [.tooLarge] + messages("z") + [.tooLarge] + messages("1"), messageBytesMax: 10)
    }

    @Test("passes over as many bytes as a huge length says", arguments: [1 << 40, Int.max - 1, Int.max])
    func hugeLength(length: Int) {
        expect("Content-Length: \(length)\r\n\r\n{}\r\n" + framed("1"), [.tooLarge], messageBytesMax: 10)
    }

    @Test(
        "knows a client of HTTP by its first word",
        arguments: [
            "GET / HTTP/1.1\r\n\r\n", "POST /rpc HTTP/1.1\r\n", "HEAD / HTTP/1.0\r\n", "PUT /a HTTP/2\r\n", "GET ",
        ]
    )
    func http(stream: String) {
        expect(stream, [.http])
    }

    @Test(
        "takes what only looks like HTTP for lines",
        arguments: [
            "GET", "GETS", "G", "P", "POSTAL", "PO", "PU", "PUTS", "HE", "HEAD", "Hello", "get /", "Post /", " GET /",
        ]
    )
    func notHTTP(line: String) {
        expect(line + "\n1\n", messages(line, "1"))
        expect("1\n" + line + "\n", messages("1", line))
    }

    @Test("does not take a later line for HTTP or for a header")
    func laterLines() {
        expect(
            "1\nGET / HTTP/1.1\nContent-Length: 2\n\n{}\n",
            messages("1", "GET / HTTP/1.1", "Content-Length: 2", "{}")
        )
    }

    @Test("decides for a framing by the first byte")
    func framing() {
        for (first, framing) in [("C", FrameDecoder.Framing.contentLength), ("c", .contentLength), ("{", .lines)] {
            var decoder = FrameDecoder(messageBytesMax: 10)
            _ = decoder.next(ByteView.empty)
            #expect(decoder.framing == .undecided)
            first.withByteView { _ = decoder.next($0) }
            #expect(decoder.framing == framing)
        }
        var decoder = FrameDecoder(messageBytesMax: 10)
        "PO".withByteView { _ = decoder.next($0) }
        #expect(decoder.framing == .undecided)
    }

    @Test("gives the same frames of random streams, whatever the pieces", arguments: 0..<40 as Range<UInt64>)
    func randomStreams(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let parts = [
            "{}", "\n", "\r\n", "\r", " ", "Content-Length: ", "2", "11", "\r\n\r\n", "\n\n", "x", "xxxxxxxxxxx", ":",
            "Content-Type: a\r\n", "GET ", "POST ", "C", "G", "0",
        ]
        for _ in 0..<100 {
            var text = ""
            for _ in 0..<Int.random(in: 1...12, using: &random) { text += parts.randomElement(using: &random) ?? "" }
            let whole = FrameLog.events(of: text, messageBytesMax: 10)
            text.withByteView { view in
                let bytewise = FrameLog.events(of: view, messageBytesMax: 10) { 1 }
                let pieces = FrameLog.events(of: view, messageBytesMax: 10) { Int.random(in: 1...9, using: &random) }
                #expect(bytewise == whole, "seed \(seed): \(text)")
                #expect(pieces == whole, "seed \(seed): \(text)")
            }
        }
    }
}
