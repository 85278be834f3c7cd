import Bytes
import JSON
import JSONRPC
import TestSupport
import Testing

@Suite("The shapes of requests")
struct RequestShapesTests {
    /// A request, kept.
    private struct Kept: Equatable {
        let method: String
        let id: String?
        let form: Arguments.Form
        let names: [String]
        let values: [String]
        let kinds: [JSONKind]

        init(_ request: Request) {
            let arguments = request.arguments
            let all = (0..<arguments.count).map { arguments[$0] }
            method = request.method.decoded()
            id = request.id?.text()
            form = arguments.form
            names = form == .named ? all.map { $0.name.decoded() } : []
            // A string's meaning tells too whether its escapes were noticed.
            values = all.map { $0.value.string?.decoded() ?? $0.value.text.text() }
            kinds = all.map(\.value.kind)
        }
    }

    /// One connection whose requests are read by their shape where that is known, else parsed and learned.
    private final class Reader {
        let limits: RPCLimits
        let shapes: RequestShapes
        let parser: RequestParser
        var peer: Peer

        init(_ limits: RPCLimits = RPCLimits()) {
            self.limits = limits
            shapes = RequestShapes(limits: limits)
            parser = RequestParser(limits: limits)
            peer = Peer(index: 0, userID: 0, limits: limits)
        }

        func beginConnection() {
            peer = Peer(index: 0, userID: 0, limits: limits)
        }

        /// What the parser makes of a message; nil where it is no request.
        func parsed(_ text: [UInt8]) -> Kept? {
            text.withByteView { view in
                guard case .request(let request) = parser.parse(view) else { return nil }
                return Kept(request)
            }
        }

        func matched(_ text: [UInt8]) -> Kept? {
            text.withByteView { shapes.match($0, for: peer).map(Kept.init) }
        }

        func matched(_ text: String) -> Kept? { matched(Array(text.utf8)) }

        func learn(_ text: String, note: Int = 0) {
            text.withByteView { view in
                guard case .request(let request) = parser.parse(view) else { return }
                shapes.learn(view, request, for: peer) { note }
            }
        }

        func learnTwice(_ text: String, note: Int = 0) {
            for _ in 0..<2 { learn(text, note: note) }
        }
    }

    private static let plain = #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"a"}}"#

    @Test("are known from the second request of a connection on")
    func second() {
        let reader = Reader()
        #expect(reader.matched(Self.plain) == nil)
        reader.learn(Self.plain)
        #expect(reader.matched(Self.plain) == nil)
        reader.learn(Self.plain, note: 7)
        #expect(reader.matched(Self.plain) == reader.parsed(Array(Self.plain.utf8)))
        #expect(reader.shapes.note(for: reader.peer) == 7)
        reader.beginConnection()
        #expect(reader.matched(Self.plain) == nil)
    }

    @Test(
        "hold for every id and every value, wherever they stand and whatever they are",
        arguments: [
            #"{"jsonrpc":"2.0","id":I,"method":"m","params":{"a":V,"b":W}}"#,
            #"{ "params" : {"a":V , "b" : W}, "method":"m","jsonrpc":"2.0" , "id":I }"#,
            #"{"jsonrpc":"2.0","method":"m","params":[V,W],"id":I}"#,
            #"{"id":I,"jsonrpc":"2.0","params":{"\u0061":V,"b":W,"extra":{"id":3}},"extra":[1],"method":"\u006d"}"#,
        ]
    )
    func values(form: String) throws {
        func message(_ id: String, _ first: String, _ second: String) -> String {
            form.replacing("I", with: id).replacing("V", with: first).replacing("W", with: second)
        }
        let reader = Reader()
        reader.learnTwice(message("1", #""x""#, "2"))
        let values = [
            #""""#, #""q\"\\\u00e9""#, "\"é€😀\"", "-1.5e+3", "null", "true", #"{"k":[1,{}]}"#, "[ ]", #""A\/""#,
        ]
        for id in ["0", "-7", "1.0e2", #""x-1""#, #""\"""#, "123456789012345678901234567890"] {
            for first in values {
                for second in values {
                    let text = message(id, first, second)
                    let expected = try #require(reader.parsed(Array(text.utf8)), "\(text)")
                    #expect(reader.matched(text) == expected)
                }
            }
        }
    }

    @Test(
        "hold for nothing else",
        arguments: [
            #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"kez":"a"}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"a","x":1}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"a"} }"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"a"}}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"a"}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key": "a"}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"a}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"\x"}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":[[[[1]]]]}}"#,
            #"{"jsonrpc":"2.0","id":01,"method":"cache.get","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","id":,"method":"cache.get","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","id":null,"method":"cache.get","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","id":true,"method":"cache.get","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","id":{},"method":"cache.get","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","id":"123456789","method":"cache.get","params":{"key":"a"}}"#,
            #"{"jsonrpc":"2.0","method":"cache.get","params":{"key":"a"}}"#, "", "{", " ",
        ]
    )
    func others(text: String) {
        var limits = RPCLimits()
        limits.depthMax = 4
        limits.idBytesMax = 10
        let reader = Reader(limits)
        reader.learnTwice(Self.plain)
        #expect(reader.matched(Self.plain) != nil)
        #expect(reader.matched(text) == nil)
    }

    @Test("read what was changed at random as the parser does, or not at all", arguments: [1, 2, 3, 4] as [UInt64])
    func mutations(seed: UInt64) {
        let bases = [
            Self.plain, #"{"method":"m","params":["x",{"y":[1,2]},null],"id":"é","jsonrpc":"2.0"}"#,
            #"{"jsonrpc":"2.0","id":12,"method":"cache.set","params":{"key":"k","value":{"a":"\n"},"ttl_ms":60000}}"#,
        ]
        let bytes = Array(#"{}[]",:\0123456789.eE+-tfn ua"#.utf8) + [0, 10, 0x7f, 0x80, 0xc3, 0xa9, 0xff]
        var random = SeededGenerator(seed: seed)
        var matches = 0
        for base in bases {
            let reader = Reader()
            reader.learnTwice(base)
            for _ in 0..<6000 {
                var text = Array(base.utf8)
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: 0..<text.count, using: &random)
                    let byte = bytes[Int.random(in: 0..<bytes.count, using: &random)]
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: text[place] = byte
                    case 1: text.insert(byte, at: place)
                    default: text.remove(at: place)
                    }
                }
                guard let matched = reader.matched(text) else { continue }
                matches += 1
                #expect(matched == reader.parsed(text), "\(String(decoding: text, as: UTF8.self))")
            }
        }
        #expect(matches > 200)
    }

    @Test("stay with a connection that makes calls of two kinds in turn, and change with its habits")
    func habits() {
        let reader = Reader()
        let other = Self.plain.replacing("get", with: "set")
        reader.learnTwice(Self.plain, note: 1)
        for _ in 0..<50 {
            #expect(reader.matched(Self.plain) != nil && reader.matched(other) == nil)
            reader.learn(other, note: 2)
        }
        for _ in 0..<8 { reader.learn(other, note: 2) }
        #expect(reader.matched(other) != nil && reader.matched(Self.plain) == nil)
        #expect(reader.shapes.note(for: reader.peer) == 2)
        // One that another connection taught is found again, with what was noted then.
        reader.beginConnection()
        reader.learnTwice(Self.plain, note: 3)
        #expect(reader.shapes.note(for: reader.peer) == 1)
    }

    @Test("are not taken for ever from a connection that makes each request another way")
    func restless() {
        let reader = Reader()
        reader.learnTwice(Self.plain, note: 1)
        let usual = reader.peer
        reader.beginConnection()
        for number in 0..<2000 { reader.learn(Self.plain.replacing("{\"key\"", with: "{\"p\(number)\"")) }
        reader.peer = usual
        #expect(reader.matched(Self.plain) != nil && reader.shapes.note(for: usual) == 1)
    }

    @Test("are some only: the oldest goes, and who had it has the new one's or none")
    func bounded() {
        let reader = Reader()
        reader.learnTwice(Self.plain, note: -1)
        let first = reader.peer
        for number in 0..<40 {
            reader.beginConnection()
            let text = Self.plain.replacing("cache.get", with: "m\(number)")
            reader.learnTwice(text, note: number)
            #expect(reader.matched(text)?.method == "m\(number)")
            #expect(reader.shapes.note(for: reader.peer) == number)
        }
        reader.peer = first
        #expect(reader.matched(Self.plain) == nil)
    }

    @Test(
        "are not taken from notifications, from requests without a usable id, nor from what is long or has many parameters"
    )
    func unfit() {
        let many = (0..<9).map { "\"p\($0)\":1" }.joined(separator: ",")
        for text in [
            #"{"jsonrpc":"2.0","method":"m","params":{"key":"a"}}"#,
            Self.plain.replacing(#""id":1"#, with: #""id":null"#),
            Self.plain.replacing(#""a""#, with: "\"\(String(repeating: "a", count: 4096))\""),
            Self.plain.replacing(#""key":"a""#, with: many),
        ] {
            let reader = Reader()
            reader.learnTwice(Self.plain, note: 5)
            let usual = reader.peer
            reader.beginConnection()
            for _ in 0..<300 { reader.learn(text) }
            #expect(reader.parsed(Array(text.utf8)) != nil && reader.matched(text) == nil)
            // Nor do they push out what was learned.
            reader.peer = usual
            #expect(reader.matched(Self.plain) != nil && reader.shapes.note(for: usual) == 5)
        }
        // A long value of a short one's shape is read, all the same.
        let reader = Reader()
        reader.learnTwice(Self.plain)
        let long = Self.plain.replacing(#""a""#, with: "\"\(String(repeating: "a", count: 1 << 20))\"")
        #expect(reader.matched(long)?.values.first?.count == 1 << 20)
    }
}
