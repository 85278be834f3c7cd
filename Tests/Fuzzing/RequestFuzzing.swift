import Bytes
import JSON
import JSONRPC

/// A stream gives the same messages, and a server the same replies, whatever pieces it comes in.
enum RequestFuzzing {
    private static let limits = {
        var limits = RPCLimits()
        limits.messageBytesMax = 300
        limits.replyBytesMax = 500
        limits.depthMax = 8
        limits.idBytesMax = 40
        return limits
    }()

    static func run(_ input: ByteView) {
        let pieces = Pieces(input)
        checkFrames(pieces)
        checkReplies(pieces)
        checkParser(pieces.stream)
    }

    private static func checkFrames(_ pieces: Pieces) {
        let ways: [() -> Int] = [{ pieces.stream.count }, { 1 }, pieces.drawn()]
        let logs = ways.map {
            FrameLog.events(of: pieces.stream, messageBytesMax: limits.messageBytesMax, pieces: $0)
        }
        precondition(logs[0] == logs[1], "byte by byte: \(logs[1]), not \(logs[0])")
        precondition(logs[0] == logs[2], "in pieces: \(logs[2]), not \(logs[0])")
        for event in logs[0] {
            switch event {
            case .message(let bytes): bytes.withByteView(checkParser)
            case .fault(let words): fatalError(words)
            case .tooLarge, .unreadableHeader, .http: break
            }
        }
    }

    /// The parser refuses as JSON exactly what the scanner refuses, with the same fault.
    private static func checkParser(_ text: ByteView) {
        var expected: JSONFault?
        do throws(JSONFault) {
            _ = try JSONScanner.scan(text, depthMax: limits.depthMax)
        } catch {
            expected = error
        }
        let parser = RequestParser(limits: limits)
        // What the parser hands out lies in the parser.
        defer { withExtendedLifetime(parser) {} }
        var found: JSONFault?
        switch parser.parse(text) {
        case .malformed(let fault): found = fault
        case .request(let request): check(request, text)
        case .invalid(let id, _): precondition((id?.count ?? 0) <= limits.idBytesMax, "an id is too long")
        case .batch(let array):
            var elements = array.elements()
            while let element = elements.next() {
                if case .malformed(let fault) = parser.parse(element.text) {
                    fatalError("an element of a valid batch is malformed: \(fault)")
                }
            }
        }
        precondition(
            found == expected,
            "the scanner: \(String(describing: expected)), not \(String(describing: found))"
        )
    }

    private static func check(_ request: Request, _ text: ByteView) {
        precondition((request.id?.count ?? 0) <= limits.idBytesMax, "an id is too long")
        _ = request.method.decoded()
        var bytes = 0
        for index in 0..<request.arguments.count {
            _ = request.arguments[index].name.decoded()
            bytes += request.arguments[index].value.text.count
        }
        precondition(bytes < text.count, "arguments are longer than their message")
    }

    private static func checkReplies(_ pieces: Pieces) {
        let whole = replies(pieces) { pieces.stream.count }
        let inPieces = replies(pieces, pieces.drawn())
        precondition(whole == inPieces, "in pieces: \(inPieces), not \(whole)")
        let isLine = whole.first != UInt8(ascii: "C")
        for event in FrameLog.events(of: whole, messageBytesMax: 1 << 20) {
            guard case .message(let reply) = event else { fatalError("a reply is no message: \(event)") }
            precondition((try? reply.withByteView { try JSONScanner.scan($0, depthMax: 64) }) != nil, "no JSON")
            precondition(!isLine || !reply.contains(UInt8(ascii: "\n")), "a reply of two lines")
        }
    }

    private static func replies(_ pieces: Pieces, _ next: () -> Int) -> [UInt8] {
        let server = ArithmeticServer(limits: limits)
        pieces.forEach(next) { server.receive($0) }
        precondition(server.calls.running == 0 && server.peer.runningCalls == 0, "a call was never answered")
        return server.peer.output.view.copy()
    }
}
