import Bytes
import JSON
import JSONRPC
import Testing

@Suite("The request parser")
struct RequestParserTests {
    /// What a message turned out to be, kept.
    private enum Outcome: Equatable {
        case request(method: String, id: String?, form: Arguments.Form, parameters: [String])
        case invalid(id: String?)
        case batch
        case malformed(JSONFault.Reason)
    }

    private func parse(_ text: String, limits: RPCLimits = RPCLimits()) -> Outcome {
        let parser = RequestParser(limits: limits)
        // What the parser hands out lies in the parser.
        return withExtendedLifetime(parser) { text.withByteView { outcome(parser.parse($0)) } }
    }

    private func outcome(_ message: Message) -> Outcome {
        switch message {
        case .request(let request):
            let arguments = request.arguments
            let parameters = (0..<arguments.count).map { index in
                let argument = arguments[index]
                let name = arguments.form == .named ? argument.name.decoded() + "=" : ""
                return name + argument.value.text.text()
            }
            let (method, id) = (request.method.decoded(), request.id?.text())
            return .request(method: method, id: id, form: arguments.form, parameters: parameters)
        case .invalid(let id, _): return .invalid(id: id?.text())
        case .batch: return .batch
        case .malformed(let fault): return .malformed(fault.reason)
        }
    }

    /// Every order of `members`.
    private func permutations(_ members: [String]) -> [[String]] {
        guard let first = members.first else { return [[]] }
        return permutations(Array(members.dropFirst())).flatMap { rest in
            (0...rest.count).map { Array(rest[..<$0]) + [first] + Array(rest[$0...]) }
        }
    }

    @Test("takes the envelope's members in any order, among others that it ignores")
    func order() {
        let members = [
            #""jsonrpc":"2.0""#, #""method":"a.b""#, #""id":7"#, #""params":{"x":[1],"y":"z"}"#,
            #""extra":{"id":8,"method":[{}]}"#,
        ]
        let expected = Outcome.request(method: "a.b", id: "7", form: .named, parameters: ["x=[1]", #"y="z""#])
        for permutation in permutations(members) {
            #expect(parse("{" + permutation.joined(separator: ",") + "}") == expected)
            #expect(parse(" {\n" + permutation.joined(separator: " ,\t") + "\r} ") == expected)
        }
    }

    @Test("knows its members where their names are written with escapes")
    func escapedNames() {
        let text =
            #"{"\u006asonrpc":"2\u002e0","m\u0065thod":"\u0061\n","i\u0064":"\u0031","\u0070arams":{"\u006b":1}}"#
        let expected = Outcome.request(method: "a\n", id: #""\u0031""#, form: .named, parameters: ["k=1"])
        #expect(parse(text) == expected)
    }

    @Test("does not take other members for its own", arguments: ["ID", "Id", "id ", "i", "idd", "id\\u0000", ""])
    func otherNames(name: String) {
        let text = #"{"jsonrpc":"2.0","method":"m","\#(name)":true,"Params":1}"#
        #expect(parse(text) == .request(method: "m", id: nil, form: .absent, parameters: []))
    }

    @Test("takes parameters by name, by position, none, and not at all")
    func forms() {
        func form(_ params: String) -> Outcome {
            parse(#"{"jsonrpc":"2.0","method":"m"\#(params)}"#)
        }
        #expect(form("") == .request(method: "m", id: nil, form: .absent, parameters: []))
        #expect(form(#","params":[]"#) == .request(method: "m", id: nil, form: .positional, parameters: []))
        #expect(form(#","params":{}"#) == .request(method: "m", id: nil, form: .named, parameters: []))
        #expect(
            form(#","params": [ 1 , [2] ,"\n" ] "#)
                == .request(method: "m", id: nil, form: .positional, parameters: ["1", "[2]", #""\n""#])
        )
        #expect(
            form(#","params": { "a" : 1.0 ,"a":2, "":{} } "#)
                == .request(method: "m", id: nil, form: .named, parameters: ["a=1.0", "a=2", "={}"])
        )
    }

    @Test("refuses scalar parameters", arguments: [#""bar""#, "1", "1.5", "true", "false", "null"])
    func scalarParameters(params: String) {
        #expect(parse(#"{"jsonrpc":"2.0","method":"m","params":\#(params),"id":5}"#) == .invalid(id: "5"))
        #expect(parse(#"{"jsonrpc":"2.0","method":"m","params":\#(params)}"#) == .invalid(id: nil))
    }

    @Test("keeps 64 parameters and tells where there are more", arguments: [63, 64, 65, 1000])
    func manyParameters(count: Int) {
        let parser = RequestParser(limits: RPCLimits())
        let named = (0..<count).map { "\"p\($0)\":\($0)" }.joined(separator: ",")
        let positional = (0..<count).map(String.init).joined(separator: ",")
        for params in ["{\(named)}", "[\(positional)]"] {
            #"{"jsonrpc":"2.0","method":"m","params":\#(params)}"#.withByteView { text in
                guard case .request(let request) = parser.parse(text) else {
                    Issue.record("no request")
                    return
                }
                let arguments = request.arguments
                let last = arguments[arguments.count - 1].value.integer
                #expect(arguments.count == min(count, 64))
                #expect(arguments.isTruncated == (count > 64))
                #expect(last == Int64(min(count, 64) - 1))
                withExtendedLifetime(parser) {}
            }
        }
    }

    @Test(
        "refuses what is no request, keeping the id where there is one",
        arguments: [
            ("{}", nil), (#"{"id":1}"#, "1"), (#"{"jsonrpc":"2.0"}"#, nil), (#"{"jsonrpc":"2.0","id":"x"}"#, #""x""#),
            (#"{"method":"m","id":1}"#, "1"), (#"{"jsonrpc":"1.0","method":"m","id":1}"#, "1"),
            (#"{"jsonrpc":2.0,"method":"m","id":1}"#, "1"), (#"{"jsonrpc":null,"method":"m","id":1}"#, "1"),
            (#"{"jsonrpc":"2.00","method":"m","id":1}"#, "1"), (#"{"jsonrpc":"2.0","method":1,"id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","method":null,"id":1}"#, "1"), (#"{"jsonrpc":"2.0","method":["m"],"id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","method":"m","id":true}"#, nil), (#"{"jsonrpc":"2.0","method":"m","id":[1]}"#, nil),
            (#"{"jsonrpc":"2.0","method":"m","id":{}}"#, nil), ("1", nil), (#""x""#, nil), ("null", nil),
            ("true", nil), (" -1.5e3 ", nil), (#"{"jsonrpc":"2.0","result":1,"id":1}"#, "1"),
        ] as [(String, String?)]
    )
    func invalid(text: String, id: String?) {
        #expect(parse(text) == .invalid(id: id))
    }

    @Test(
        "refuses a member of the envelope that was given twice",
        arguments: [
            (#"{"jsonrpc":"2.0","method":"m","method":"m","id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","method":"m","m\u0065thod":"n","id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","method":"m","params":{"a":1},"params":[],"id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","method":"m","params":1,"params":[],"id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","method":"m","id":1,"id":1}"#, nil),
            (#"{"jsonrpc":"2.0","method":"m","id":true,"id":1}"#, nil),
            (#"{"jsonrpc":"2.0","method":"m","id":null,"id":1}"#, nil),
            (#"{"jsonrpc":"2.0","jsonrpc":"2.0","method":"m","id":1}"#, "1"),
            (#"{"jsonrpc":"2.0","jsonrpc":"1.0","method":"m","id":1}"#, "1"),
            (#"{"jsonrpc":"1.0","jsonrpc":"2.0","method":"m","id":1}"#, "1"),
        ] as [(String, String?)]
    )
    func duplicates(text: String, id: String?) {
        #expect(parse(text) == .invalid(id: id))
    }

    @Test(
        "tells broken JSON wherever it is, even behind something invalid",
        arguments: [
            ("", .unexpectedEnd), ("{", .unexpectedEnd), ("[1,2", .unexpectedEnd),
            (#"{"jsonrpc":1,"id":true,}"#, .unexpectedByte),
            (#"{"jsonrpc":"2.0","method":"m"} x"#, .trailingBytes), (#"{"method":"m","params":[01]}"#, .invalidNumber),
            (#"{"params":{"a":"\q"}}"#, .invalidEscape), (#"{"params":{"a" 1}}"#, .unexpectedByte),
            (#"{"params":{a:1}}"#, .unexpectedByte), (#"{"params":[1,]}"#, .unexpectedByte),
            (#"{"params":}"#, .unexpectedByte),
            (#"{"params":"#, .unexpectedEnd), ("{\"a\":\"\n\"}", .controlCharacter), ("hello", .unexpectedByte),
            ("{}{}", .trailingBytes), ("[] []", .trailingBytes), (#"{"id"}"#, .unexpectedByte),
            ("\u{feff}{}", .unexpectedByte),
            ("{}\0", .trailingBytes),
        ] as [(String, JSONFault.Reason)]
    )
    func malformed(text: String, reason: JSONFault.Reason) {
        #expect(parse(text) == .malformed(reason))
    }

    @Test("cuts off anywhere is malformed, and never a request")
    func truncations() {
        let whole =
            #"{"jsonrpc":"2.0","method":"m\u0065","params":{"a":[1,{"b":"é😀"}],"c":-1.5e3},"id":"x\ny","z":null}"#
        let bytes = Array(whole.utf8)
        let parser = RequestParser(limits: RPCLimits())
        for count in 0..<bytes.count {
            bytes.withByteView { view in
                guard case .malformed = parser.parse(view.prefix(count)) else {
                    Issue.record("cut after \(count) bytes")
                    return
                }
            }
        }
    }

    @Test("bounds depth alike whether parameters are read one by one or passed over")
    func depth() {
        var limits = RPCLimits()
        limits.depthMax = 4
        for (member, isRequest) in [("params", true), ("other", false)] {
            for depth in 1...6 {
                // The message itself is one level.
                let value = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
                let outcome = parse(#"{"jsonrpc":"2.0","method":"m","\#(member)":\#(value)}"#, limits: limits)
                let parameters = isRequest && depth > 1 ? [String(value.dropFirst().dropLast())] : []
                let form = isRequest ? Arguments.Form.positional : .absent
                let expected = Outcome.request(method: "m", id: nil, form: form, parameters: parameters)
                #expect(outcome == (depth < 4 ? expected : .malformed(.tooDeep)), "\(member) \(depth)")
            }
        }
        #expect(parse("[[[[]]]]", limits: limits) == .batch)
        #expect(parse("[[[[[]]]]]", limits: limits) == .malformed(.tooDeep))
    }

    @Test("bounds the length of an id", arguments: [255, 256, 257, 10_000])
    func idLength(count: Int) {
        let id = "\"" + String(repeating: "i", count: count - 2) + "\""
        let outcome = parse(#"{"jsonrpc":"2.0","method":"m","id":\#(id)}"#)
        let expected = Outcome.request(method: "m", id: id, form: .absent, parameters: [])
        #expect(outcome == (count <= 256 ? expected : .invalid(id: nil)))
    }
}
