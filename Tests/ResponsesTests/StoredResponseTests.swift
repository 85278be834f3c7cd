import Bytes
import JSON
import Testing

@testable import Responses

@Suite("A stored response")
struct StoredResponseTests {
    private static let id = Array("0123456789abcdef".utf8)

    private func entry(
        name: StaticString,
        body: String,
        usage: String? = nil,
        cost: String? = nil,
        tags: [String] = []
    ) -> [UInt8] {
        let generations = (0..<(2 + tags.count)).map { Array("generation-\($0)----".utf8.prefix(16)) }
        let (body, usage, cost) = (Array(body.utf8), Array((usage ?? "").utf8), Array((cost ?? "").utf8))
        return body.withByteView { body in
            usage.withByteView { usage in
                cost.withByteView { cost in
                    StoredResponse.Draft(
                        StoredResponse.Content(
                            tags: tags.map { Array($0.utf8) },
                            cost: cost.isEmpty ? nil : cost,
                            usage: usage.isEmpty ? nil : usage,
                            name: name,
                            body: body
                        ),
                        id: Self.id
                    )
                }
            }
        }
        .entry(under: generations)
    }

    private func text(_ entry: StoredResponse, _ bounds: Range<Int>?) -> String? {
        bounds.map { String(decoding: entry.bytes[$0], as: UTF8.self) }
    }

    @Test("is read as it was written, byte for byte")
    func whole() throws {
        let body = #"{"a" : 1.00,"b":"\u00e9", "c":[ ]}"#
        let bytes = entry(
            name: "response",
            body: body,
            usage: #"{"input_tokens":7,"output_tokens":5}"#,
            cost: "1.25e-3",
            tags: [#"t"1"#, "é"]
        )
        let read = try #require(StoredResponse(bytes, depthMax: 64))
        guard case .whole(let bounds) = read.body else {
            Issue.record("no whole response")
            return
        }
        #expect(text(read, bounds) == body)
        #expect(text(read, read.usage) == #"{"input_tokens":7,"output_tokens":5}"#)
        #expect(read.tokens == 12)
        #expect(read.cost == 1_250_000)
        #expect(read.generations == Array("generation-0----generation-1----".utf8))
        #expect(read.tags.map(\.name) == [Array(#"t"1"#.utf8), Array("é".utf8)])
        #expect(read.tags.map(\.generation) == [Array("generation-2----".utf8), Array("generation-3----".utf8)])
        #expect(StoredResponse.id(of: bytes) == Self.id)
        #expect(try Document.parse(String(decoding: bytes, as: UTF8.self))["response"]?["a"] != nil)
    }

    @Test("knows each chunk of a stream, and its gap")
    func stream() throws {
        let body =
            #"[ {"delay_ms":0,"chunk":"a"}, {"chunk" : {"x":[1, 2]} ,"delay_ms": 17},{"delay_ms":3,"chunk":null}]"#
        let read = try #require(StoredResponse(entry(name: "chunks", body: body), depthMax: 64))
        guard case .stream(let bounds, let chunks) = read.body else {
            Issue.record("no stream")
            return
        }
        #expect(text(read, bounds) == body)
        #expect(chunks.map { text(read, $0.bounds) } == [#""a""#, #"{"x":[1, 2]}"#, "null"])
        #expect(chunks.map(\.delayMilliseconds) == [0, 17, 3])
    }

    @Test(
        "is what it is, or nothing: other bytes in its place do not count",
        arguments: [
            "", "1", "{}", "[]", "nonsense", "\u{1}Labc",
            #"{"id":"0123456789abcdef","generations":"short","response":1}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000"}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","chunks":[]}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","chunks":[{}]}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","chunks":[{"delay_ms":-1,"chunk":1}]}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","chunks":[{"delay_ms":3600001,"chunk":1}]}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","chunks":1}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","usage":1,"response":1}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","cost":-1,"response":1}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","tags":[[]],"response":1}"#,
            #"{"id":"0123456789abcdef","generations":"00000000000000000000000000000000","response":1"#,
        ]
    )
    func foreign(text: String) {
        #expect(StoredResponse(Array(text.utf8), depthMax: 64) == nil)
        // The script that may replace it is told the same bytes that it sees.
        #expect(StoredResponse.id(of: Array(text.utf8)) == Array(Array(text.utf8).dropFirst(7).prefix(16)))
    }

    @Test("is no stream of more chunks than may be stored")
    func chunkCount() {
        func stream(_ count: Int) -> StoredResponse? {
            let chunks = [String](repeating: #"{"delay_ms":3600000,"chunk":1}"#, count: count)
            return StoredResponse(entry(name: "chunks", body: "[\(chunks.joined(separator: ","))]"), depthMax: 64)
        }
        #expect(stream(StoredResponse.chunksMax) != nil)
        #expect(stream(StoredResponse.chunksMax + 1) == nil)
    }

    @Test("is not read deeper than the limit")
    func depth() {
        let body = String(repeating: "[", count: 62) + String(repeating: "]", count: 62)
        #expect(StoredResponse(entry(name: "response", body: body), depthMax: 63) != nil)
        #expect(StoredResponse(entry(name: "response", body: body), depthMax: 62) == nil)
    }
}
