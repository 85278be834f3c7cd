import Contract
import Testing

@Suite("String parameters")
struct StringRuleTests {
    @Test("that name something have at least one character")
    func nonEmpty() throws {
        let fault = try CallText.fault(of: #"{"key":""}"#, CacheGetParameters.init)
        #expect(fault == InvalidParameters("key", "must be a string of at least one character"))
        #expect(try CallText.fault(of: #"{"key":"a","field":""}"#, HashGetParameters.init) == nil)
    }

    @Test(
        "are text, which half of a surrogate pair is not",
        arguments: [#"\ud800"#, #"\udc00"#, #"\ud83dx"#, #"\uD83D\u0041"#, #"a\udfff"#, #"\ud83d\ud83d"#, #"\\\ud800"#]
    )
    func notText(text: String) throws {
        #expect(try CallText.fault(of: #"{"key":"\#(text)"}"#, CacheGetParameters.init)?.parameter == "key")
        #expect(try CallText.fault(of: #"{"key":"a","text":"\#(text)"}"#, CacheSetParameters.init)?.parameter == "text")
    }

    @Test(
        "may have escapes",
        arguments: [#"\ud83d\ude00"#, #"\uD83D\uDE00x"#, #"\\ud800"#, #"\n\"\/"#, #"\u0000"#, #"\ue000\ud7ff"#]
    )
    func text(text: String) throws {
        #expect(try CallText.fault(of: #"{"key":"\#(text)"}"#, CacheGetParameters.init) == nil)
        #expect(try CallText.fault(of: #"{"key":"a","text":"\#(text)"}"#, CacheSetParameters.init) == nil)
    }

    @Test(
        "that are a namespace have their own alphabet",
        arguments: ["a", "a-b_c.9", "0", String(repeating: "n", count: 64)]
    )
    func namespace(text: String) throws {
        #expect(try CallText.fault(of: #"{"key":"a","namespace":"\#(text)"}"#, CacheGetParameters.init) == nil)
    }

    @Test(
        "that are no namespace are refused",
        arguments: ["", "A", "a b", "a:b", "ü", #"\u0061"#, "a*", "a/b", String(repeating: "n", count: 65)]
    )
    func noNamespace(text: String) throws {
        let fault = try CallText.fault(of: #"{"key":"a","namespace":"\#(text)"}"#, CacheGetParameters.init)
        #expect(
            fault?.message == "namespace must be 1 to 64 characters of a-z, 0-9, '_', '.' and '-', without escapes"
        )
    }

    @Test(
        "that are Base64 are padded and lose no bit",
        arguments: ["", "AP8=", "AA==", "TWFu", "+/+/", #"\/9j\/4A=="#]
    )
    func base64(text: String) throws {
        #expect(try CallText.fault(of: #"{"key":"a","base64":"\#(text)"}"#, CacheSetParameters.init) == nil)
    }

    @Test(
        "that are no Base64 are refused",
        arguments: ["A", "AA", "AAA", "AA=A", "=AAA", "A===", "====", "AB==", "AAB=", "TW u", "-_-_", "AA==AA=="]
    )
    func noBase64(text: String) throws {
        let fault = try CallText.fault(of: #"{"key":"a","base64":"\#(text)"}"#, CacheSetParameters.init)
        #expect(fault == InvalidParameters("base64", "must be Base64 with padding"))
    }
}
