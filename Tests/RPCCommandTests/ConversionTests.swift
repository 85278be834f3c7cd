import RPCClient
import RPCUsage
import Testing

@testable import RPCCommand

/// A parameter, the text a user gives it, and the JSON that is sent; nil where the text is refused.
private struct Conversion: CustomTestStringConvertible {
    let name: String
    let schema: String
    let text: String
    let json: String?

    init(_ schema: String, _ text: String, _ json: String?, name: String = "x") {
        self.name = name
        self.schema = schema
        self.text = text
        self.json = json
    }

    var testDescription: String { "\(name) \(schema) '\(text)'" }

    var result: String? {
        get throws {
            let document = try #require(JSONFragment("{\"name\":\"\(name)\",\"schema\":\(schema)}"))
            let parameter = try #require(Parameter(document))
            return try? parameter.convert([UInt8](text.utf8)).text
        }
    }
}

private let string = #"{"type":"string"}"#
private let integer = #"{"type":"integer"}"#
private let number = #"{"type":"number"}"#
private let boolean = #"{"type":"boolean"}"#
private let strings = #"{"type":"array","items":{"type":"string"}}"#
private let object = #"{"type":"object"}"#
private let maybeString = #"{"type":["string","null"]}"#
private let life = #"{"anyOf":[{"type":"integer","minimum":1},{"type":"null"}]}"#

@Suite("Conversion of arguments")
struct ConversionTests {
    @Test(
        "A string is sent as it is",
        arguments: [
            Conversion(string, "plain", #""plain""#),
            Conversion(string, "", #""""#),
            Conversion(string, "12", #""12""#),
            Conversion(string, "true", #""true""#),
            Conversion(string, "null", #""null""#),
            Conversion(string, #""quoted""#, #""\"quoted\"""#),
            Conversion(string, " a\nb\t", #"" a\nb\t""#),
            Conversion(string, "héllo 😀", #""héllo 😀""#),
            Conversion(string, #"{"a":1}"#, #""{\"a\":1}""#),
            Conversion(string, "60s", #""60s""#, name: "x_ms"),
            Conversion(#"{"enum":["a","b"]}"#, "a", #""a""#),
            Conversion(maybeString, "null", "null"),
            Conversion(maybeString, "nul", #""nul""#),
        ]
    )
    private func textsOfStrings(_ conversion: Conversion) throws {
        #expect(try conversion.result == conversion.json)
    }

    @Test(
        "Numbers are sent in the digits of the user",
        arguments: [
            Conversion(integer, "42", "42"),
            Conversion(integer, "-7", "-7"),
            Conversion(integer, "12345678901234567890123", "12345678901234567890123"),
            Conversion(integer, "1.5", nil),
            Conversion(integer, "1e3", nil),
            Conversion(integer, "007", nil),
            Conversion(integer, "+1", nil),
            Conversion(integer, "", nil),
            Conversion(integer, "true", nil),
            Conversion(integer, "null", nil),
            Conversion(number, "1e400", "1e400"),
            Conversion(number, "1.10", "1.10"),
            Conversion(number, "NaN", nil),
            Conversion(number, "1e", nil),
            Conversion(integer, " 5\n", "5"),
        ]
    )
    private func textsOfNumbers(_ conversion: Conversion) throws {
        #expect(try conversion.result == conversion.json)
    }

    @Test(
        "Durations and sizes have units where the parameter's name has one",
        arguments: [
            Conversion(life, "60s", "60000", name: "ttl_ms"),
            Conversion(life, "5m", "300000", name: "ttl_ms"),
            Conversion(life, "250ms", "250", name: "ttl_ms"),
            Conversion(life, "1h", "3600000", name: "ttl_ms"),
            Conversion(life, "2d", "172800000", name: "ttl_ms"),
            Conversion(life, "1.5s", "1500", name: "ttl_ms"),
            Conversion(life, "1500", "1500", name: "ttl_ms"),
            Conversion(life, "null", "null", name: "ttl_ms"),
            Conversion(life, "60 s", nil, name: "ttl_ms"),
            Conversion(life, "60S", nil, name: "ttl_ms"),
            Conversion(life, "64KiB", nil, name: "ttl_ms"),
            Conversion(integer, "60s", nil, name: "ttl"),
            Conversion(integer, "64KiB", "65536", name: "value_bytes"),
            Conversion(integer, "1.5MiB", "1572864", name: "value_bytes"),
            Conversion(integer, "2MB", "2000000", name: "value_bytes"),
            Conversion(integer, "64k", nil, name: "value_bytes"),
        ]
    )
    private func textsOfQuantities(_ conversion: Conversion) throws {
        #expect(try conversion.result == conversion.json)
    }

    @Test(
        "A parameter of any JSON takes JSON as written, and other text as a string",
        arguments: [
            Conversion("{}", #"{"b": 1, "a":2}"#, #"{"b": 1, "a":2}"#),
            Conversion("{}", "1e400", "1e400"),
            Conversion("{}", #""text""#, #""text""#),
            Conversion("{}", "null", "null"),
            Conversion("{}", "hello", #""hello""#),
            Conversion("{}", "{broken", #""{broken""#),
            Conversion("{}", "", #""""#),
            Conversion("true", "[1]", "[1]"),
            Conversion(#"{"description":"any"}"#, "007", #""007""#),
        ]
    )
    private func textsOfAnyJSON(_ conversion: Conversion) throws {
        #expect(try conversion.result == conversion.json)
    }

    @Test(
        "Booleans, arrays and objects are taken as what they are and nothing else",
        arguments: [
            Conversion(boolean, "true", "true"),
            Conversion(boolean, "false", "false"),
            Conversion(boolean, "yes", nil),
            Conversion(boolean, "1", nil),
            Conversion(boolean, "TRUE", nil),
            Conversion(strings, #"["a","b"]"#, #"["a","b"]"#),
            Conversion(strings, "a", #"["a"]"#),
            Conversion(strings, "a,b", #"["a,b"]"#),
            Conversion(strings, "12", #"["12"]"#),
            Conversion(strings, "[a", nil),
            Conversion(#"{"type":"array","items":{"type":"integer"}}"#, "1", nil),
            Conversion(#"{"oneOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}"#, "a", #""a""#),
            Conversion(object, #"{"a":1}"#, #"{"a":1}"#),
            Conversion(object, "a", nil),
            Conversion(object, "[1]", nil),
            Conversion(#"{"const":7}"#, "7", "7"),
            Conversion(#"{"const":7}"#, "x", nil),
        ]
    )
    private func textsOfContainers(_ conversion: Conversion) throws {
        #expect(try conversion.result == conversion.json)
    }

    @Test("Text that is not UTF-8 is refused with a word about base64")
    func bytes() {
        #expect(throws: CommandError.self) { try Parameter(name: "text").convert([0xFF]) }
    }

    @Test("A refusal names the parameter, what it takes and what it got")
    func refusal() throws {
        let document = try #require(JSONFragment("{\"name\":\"ttl_ms\",\"schema\":\(life)}"))
        let parameter = try #require(Parameter(document))
        do throws(CommandError) {
            _ = try parameter.convert([UInt8]("soon".utf8))
            Issue.record("'soon' was taken")
        } catch {
            #expect(error.status == .usage)
            #expect(error.message.hasPrefix("ttl_ms: integer or null or a duration like 60s"))
            #expect(error.message.hasSuffix("not 'soon'"))
        }
    }

    @Test("Quantities are exact and bounded")
    func quantity() {
        #expect(Quantity.milliseconds("0.001s") == 1)
        #expect(Quantity.milliseconds("0.0001s") == nil)
        #expect(Quantity.milliseconds("1.s") == nil)
        #expect(Quantity.milliseconds(".5s") == nil)
        #expect(Quantity.milliseconds("-1s") == nil)
        #expect(Quantity.milliseconds("5") == nil)
        #expect(Quantity.milliseconds("s") == nil)
        #expect(Quantity.milliseconds("1.2.3s") == nil)
        #expect(Quantity.milliseconds("99999999999999999d") == nil)
        #expect(Quantity.bytes("8388607TiB") == 9_223_370_937_343_148_032)
        #expect(Quantity.bytes("8388608TiB") == nil)
        #expect(Quantity.bytes("1B") == 1)
    }
}
