import Contract
import Testing

@Suite("Rules between parameters")
struct RuleTests {
    @Test(
        "ask for exactly one content",
        arguments: [
            #"{"key":"a"}"#, #"{"key":"a","value":1,"text":"1"}"#, #"{"key":"a","text":"1","base64":"AA=="}"#,
            #"{"key":"a","value":null,"text":"1","base64":"AA=="}"#,
        ]
    )
    func exactlyOne(params: String) throws {
        let fault = try CallText.fault(of: params, CacheSetParameters.init)
        #expect(fault?.parameter == "value")
        #expect(fault?.message == "value or text or base64 must be given, and only one of them")
    }

    @Test(
        "are content with one",
        arguments: [#"{"key":"a","value":null}"#, #"{"key":"a","text":""}"#, #"{"key":"a","base64":"AA=="}"#]
    )
    func one(params: String) throws {
        #expect(try CallText.fault(of: params, CacheSetParameters.init) == nil)
    }

    @Test("ask for either a key or keys")
    func keyOrKeys() throws {
        #expect(try CallText.fault(of: #"{"key":"a"}"#, CacheDeleteParameters.init) == nil)
        #expect(try CallText.fault(of: #"{"keys":["a"]}"#, CacheDeleteParameters.init) == nil)
        #expect(try CallText.fault(of: #"[null,["a"]]"#, CacheDeleteParameters.init) == nil)
        #expect(try CallText.fault(of: #"{"key":"a","keys":["a"]}"#, CacheDeleteParameters.init)?.parameter == "key")
        #expect(try CallText.fault(of: "{}", CacheDeleteParameters.init)?.parameter == "key")
    }

    @Test("ask what to invalidate, and false is no answer", arguments: [nil, "{}", "[]", #"{"all":false}"#])
    func atLeastOne(params: String?) throws {
        let fault = try CallText.fault(of: params, CacheInvalidateParameters.init)
        #expect(fault?.message == "pattern or namespace or all or tags must be given")
    }

    @Test("let all stand alone", arguments: [("pattern", "*"), ("namespace", "people")])
    func notTogether(name: String, value: String) throws {
        let both = #"{"all":true,"\#(name)":"\#(value)"}"#
        let fault = try CallText.fault(of: both, CacheInvalidateParameters.init)
        #expect(fault?.message == "all and \(name) cannot be given together")
        let one = #"{"all":false,"\#(name)":"\#(value)"}"#
        #expect(try CallText.fault(of: one, CacheInvalidateParameters.init) == nil)
        #expect(try CallText.fault(of: #"{"all":true}"#, CacheInvalidateParameters.init) == nil)
    }
}
