import JSON
import Testing

@testable import DevTools

@Suite("A schema of the contract")
struct SchemaTests {
    private func place(_ text: String) throws -> Place {
        Place(file: "proto/a.json", member: "", document: try Document.parse(text))
    }

    private func objection(_ schema: String, to document: String) throws -> String? {
        let definitions = try Definitions(try place(#"{"word":{"description":"A.","type":"string","minLength":1}}"#))
        return try Schema(try place(schema)).objection(to: try Document.parse(document), definitions)
    }

    @Test(
        "accepts what follows it",
        arguments: [
            ("{}", "null"), (#"{"type":"number"}"#, "1.5"), (#"{"type":"number"}"#, "1"),
            (#"{"type":"integer","minimum":1}"#, "1"), (#"{"type":["integer","null"]}"#, "null"),
            (#"{"enum":["a"]}"#, #""a""#), (#"{"type":"array","items":{"type":"boolean"}}"#, "[true]"),
            (#"{"$ref":"definitions.json#/word"}"#, #""a""#), (#"{"type":"object"}"#, #"{"any":1}"#),
            (#"{"type":"object","required":["a"],"properties":{"a":{}}}"#, #"{"a":null}"#),
        ]
    )
    func accepted(schema: String, document: String) throws {
        #expect(try objection(schema, to: document) == nil)
    }

    @Test(
        "objects to what does not",
        arguments: [
            (#"{"type":"integer","minimum":1}"#, "0"), (#"{"type":"integer"}"#, "1.0"),
            (#"{"type":"integer"}"#, "null"), (#"{"type":"number"}"#, #""1""#), (#"{"enum":["a"]}"#, #""b""#),
            (#"{"type":"array","items":{"type":"boolean"}}"#, "[true,1]"),
            (#"{"type":"array","minItems":1}"#, "[]"), (#"{"$ref":"definitions.json#/word"}"#, #""""#),
            (#"{"type":"object","required":["a"],"properties":{"a":{}}}"#, "{}"),
            (#"{"type":"object","properties":{"a":{}}}"#, #"{"b":1}"#),
            (#"{"properties":{"a":{},"b":{}},"oneOf":[{"required":["a"]},{"required":["b"]}]}"#, #"{"a":1,"b":1}"#),
        ]
    )
    func refused(schema: String, document: String) throws {
        #expect(try objection(schema, to: document) != nil)
    }

    @Test(
        "has no word that is not understood",
        arguments: [
            #"{"maxLength":5}"#, #"{"type":"float"}"#, #"{"minLength":2}"#, #"{"$ref":"other.json#/a"}"#,
            #"{"$ref":"definitions.json#/word","type":"string"}"#, #"{"required":["a"],"properties":{}}"#,
            #"{"minimum":2,"maximum":1}"#, #"{"description":"without a full stop"}"#,
        ]
    )
    func misunderstood(schema: String) throws {
        let place = try place(schema)
        #expect(throws: ProtoFault.self) { try Schema(place) }
    }

    @Test("names file and member of a fault")
    func position() throws {
        let place = try place(#"{"properties":{"a":{"items":{"type":"word"}}}}"#)
        let fault = try #require(#expect(throws: ProtoFault.self) { try Schema(place) })
        #expect(fault.description == "proto/a.json: properties.a.items.type: word is not a type")
    }

    @Test("cannot refer to itself")
    func cycle() throws {
        let place = try place(#"{"a":{"description":"A.","items":{"$ref":"definitions.json#/a"}}}"#)
        #expect(throws: ProtoFault.self) { try Definitions(place) }
    }
}

@Suite("Generated source")
struct SourceTextTests {
    @Test(
        "has names as Swift writes them",
        arguments: [
            ("cache.get_many", "cacheGetMany"), ("with_ttl", "withTTL"), ("ttl_ms", "ttlMilliseconds"),
            ("key", "key"), ("default", "`default`"),
        ]
    )
    func names(wire: String, swift: String) {
        #expect(SwiftName.member(wire) == swift)
    }

    @Test("has long numbers in groups")
    func numbers() {
        #expect(SourceText.number(999_999) == "999999")
        #expect(SourceText.number(-3_153_600_000_000) == "-3_153_600_000_000")
    }

    @Test("keeps to its width, whatever it holds")
    func width() {
        var source = SourceText(madeOf: "proto/a.json")
        source.documentation("First. " + String(repeating: "word ", count: 100) + "end.")
        let json = Document.array(Array(repeating: "a, b", count: 100)).text(style: .compact)
        source.literal("let a = ", json)
        let lines = source.text.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 120 })
        let literal = lines.drop { !$0.hasPrefix("let a") }.dropFirst().prefix { !$0.hasSuffix("\"\"\"#") }
        let content = literal.map { $0.dropFirst(4) }.map { $0.hasSuffix("\\#") ? $0.dropLast(2) : $0 }
        #expect(content.joined() == json)
    }
}
