import Bytes
import Crypto
import JSON
import TestSupport
import Testing

@testable import Responses

/// The fingerprint of a request that is written as one JSON object.
private func fingerprint(_ text: String) throws -> String {
    try Array(text.utf8).withByteView { view in
        var members = try JSONScanner.scan(view, depthMax: 64).members()
        var parts: [String: JSONValue] = [:]
        while let member = members.next() { parts[member.name.decoded()] = member.value }
        var scratch = ByteBuffer()
        let identity = try RequestIdentity(
            RequestIdentity.Parts(
                model: try #require(parts["model"]?.string),
                scope: try #require(parts["scope"]?.string),
                prompt: parts["prompt"]?.string,
                messages: parts["messages"],
                params: parts["params"]
            ),
            SHA256(),
            &scratch
        )
        return String(decoding: identity.fingerprint, as: UTF8.self)
    }
}

@Suite("The fingerprint of a request")
struct IdentityTests {
    @Test("is SHA-256 of its canonical form")
    func vector() throws {
        // printf '{"model":"small-1","params":{"seed":7,"temperature":0},"prompt":"Name a colour.","scope":"acme"}' | sha256sum
        let text =
            #"{"scope":"acme","prompt":"Name a colour.","params":{"temperature":0.0,"seed":7e0},"model":"small-1"}"#
        #expect(try fingerprint(text) == "99ed05045cdab77ef326e3bacd4e6c303d28eaeec1446ef3dee226f3cbcbb366")
    }

    private static let base = #"""
        {"model":"m","scope":"s","messages":[{"role":"user","content":"hi"}],
         "params":{"temperature":0.7,"seed":42,"tools":[{"name":"a","strict":true}],"stop":null}}
        """#

    @Test(
        "is that of the same request in another order and spelling",
        arguments: [
            #"{"params":{"stop":null,"tools":[{"strict":true,"name":"a"}],"seed":42.0,"temperature":7e-1},"messages":[{"content":"h\u0069","role":"user"}],"scope":"s","model":"m"}"#,
            #"{ "scope" : "\u0073" , "model":"m","messages":[ { "role":"user","content":"hi" } ],"params":{"seed":4.2e1,"temperature":0.70,"stop":null,"tools":[{"name":"a","strict":true}]}}"#,
        ]
    )
    func same(text: String) throws {
        #expect(try fingerprint(text) == fingerprint(Self.base))
    }

    @Test(
        "differs with every parameter",
        arguments: [
            (#""m""#, #""M""#), (#""s""#, #""t""#), ("hi", "hi "), ("hi", "Hi"), (#""user""#, #""system""#),
            ("0.7", "0.70001"),
            ("0.7", #""0.7""#), ("42", "43"), ("42", "9007199254740993"), (#""a""#, #""b""#), ("true", "false"),
            (#","strict":true"#, ""), ("null", "false"), (#","stop":null"#, ""), (#""tools":[{"#, #""tools":[[],{"#),
            (#""seed""#, #""Seed""#),
        ]
    )
    func different(part: String, other: String) throws {
        let changed = Self.base.replacing(part, with: other, maxReplacements: 1)
        #expect(changed != Self.base)
        #expect(try fingerprint(changed) != fingerprint(Self.base))
    }

    @Test("differs for a prompt and messages, and with what stands where")
    func structure() throws {
        let texts = [
            #"{"model":"m","scope":"s","prompt":"x"}"#, #"{"model":"m","scope":"s","messages":["x"]}"#,
            #"{"model":"s","scope":"m","prompt":"x"}"#, #"{"model":"m","scope":"s","prompt":""}"#,
            #"{"model":"m","scope":"s","messages":["x",{}]}"#, #"{"model":"m","scope":"s","messages":[{},"x"]}"#,
            #"{"model":"m","scope":"s","prompt":"x","params":{"scope":"s"}}"#,
            #"{"model":"m","scope":"s","prompt":"x\",\"scope\":\"s"}"#,
        ]
        #expect(Set(try texts.map { try fingerprint($0) }).count == texts.count)
        #expect(try fingerprint(texts[0]) == fingerprint(#"{"model":"m","scope":"s","prompt":"x","params":{}}"#))
    }

    @Test("never meets another's where anything differs, over thousands of random requests")
    func random() throws {
        var generator = SeededGenerator(seed: 8785)
        var seen: [String: String] = [:]
        for _ in 0..<4000 {
            let temperature = Int.random(in: 0...20, using: &generator)
            let seed = Int.random(in: 9_007_199_254_740_990...9_007_199_254_740_999, using: &generator)
            let prompt = ["a", "b", "ab", "a b", "é"].randomElement(using: &generator) ?? ""
            let meaning = "\(temperature)/\(seed)/\(prompt)"
            let members = [
                "\"temperature\":\(temperature)\(Bool.random(using: &generator) ? "" : "e-1")", "\"seed\":\(seed)",
            ]
            let isTenth = members[0].hasSuffix("e-1")
            let params = members.shuffled(using: &generator).joined(separator: ",")
            let text = #"{"model":"m","scope":"s","prompt":"\#(prompt)","params":{\#(params)}}"#
            // 20e-1 and 2 are the same number, and the same request.
            let value = isTenth ? temperature : temperature * 10
            let known = "\(value)" + meaning.drop { $0 != "/" }
            let print = try fingerprint(text)
            if let other = seen[print] { #expect(other == known) }
            seen[print] = known
        }
        #expect(Set(seen.values).count == seen.count)
    }
}
