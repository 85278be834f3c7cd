import Bytes
import Contract
import JSON
import Testing

@Suite("Parameters")
struct ParametersTests {
    @Test("come by name, in any order")
    func byName() throws {
        let params = #"{"with_ttl":true,"namespace":"people","key":"a","fresh":true}"#
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            let parameters = try CacheGetParameters(arguments)
            #expect(parameters.key.decoded() == "a")
            #expect(parameters.namespace?.decoded() == "people")
            #expect(parameters.fresh)
            #expect(parameters.withTTL)
        }
    }

    @Test("come by position, in the order of the contract")
    func byPosition() throws {
        try CallText.decode(#"["a","people",true]"#) { arguments throws(InvalidParameters) in
            let parameters = try CacheGetParameters(arguments)
            #expect(parameters.key.decoded() == "a")
            #expect(parameters.namespace?.decoded() == "people")
            #expect(parameters.fresh)
            #expect(!parameters.withTTL)
        }
    }

    @Test("that are not given are nil or have their default", arguments: [#"{"key":"a"}"#, #"["a"]"#])
    func defaults(params: String) throws {
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            let parameters = try CacheGetParameters(arguments)
            #expect(parameters.namespace == nil)
            #expect(!parameters.fresh)
        }
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            #expect(try CacheIncrementParameters(arguments).by == 1)
        }
    }

    @Test("are found under a name that is written with escapes")
    func escapedName() throws {
        try CallText.decode(#"{"\u006bey":"a"}"#) { arguments throws(InvalidParameters) in
            #expect(try CacheGetParameters(arguments).key.decoded() == "a")
        }
    }

    @Test("that are null by position are not given")
    func positionalNull() throws {
        try CallText.decode(#"["a",null,null,true]"#) { arguments throws(InvalidParameters) in
            let parameters = try CacheGetParameters(arguments)
            #expect(parameters.namespace == nil)
            #expect(!parameters.fresh)
            #expect(parameters.withTTL)
        }
        let fault = try CallText.fault(of: "[null]", CacheGetParameters.init)
        #expect(fault == InvalidParameters("key", "is required"))
    }

    @Test("that are null by name are wrong, unless null is one of their values")
    func namedNull() throws {
        let fault = try CallText.fault(of: #"{"key":"a","namespace":null}"#, CacheGetParameters.init)
        #expect(fault == InvalidParameters("namespace", "must be a string"))
    }

    @Test("that may be null tell null from not given")
    func nullable() throws {
        let cases: [(String, NullableInteger)] = [
            (#"{"key":"a","value":1}"#, .absent), (#"["a",1]"#, .absent),
            (#"{"key":"a","value":1,"ttl_ms":null}"#, .null), (#"["a",1,null,null]"#, .null),
            (#"{"key":"a","value":1,"ttl_ms":5}"#, .value(5)), (#"["a",1,null,5]"#, .value(5)),
        ]
        for (params, expected) in cases {
            try CallText.decode(params) { arguments throws(InvalidParameters) in
                #expect(try CacheSetParameters(arguments).ttlMilliseconds == expected, "\(params)")
            }
        }
    }

    @Test("that may be null can still be required")
    func requiredNullable() throws {
        #expect(
            try CallText.fault(of: #"{"key":"a"}"#, CacheTouchParameters.init)
                == InvalidParameters("ttl_ms", "is required")
        )
        #expect(try CallText.fault(of: #"{"key":"a","ttl_ms":null}"#, CacheTouchParameters.init) == nil)
        #expect(try CallText.fault(of: #"["a",null]"#, CacheTouchParameters.init) == nil)
    }

    @Test("of any kind keep their text as written, null included", arguments: ["null", "1.50", #"{"b" : 1,"a":[]}"#])
    func anyJSON(value: String) throws {
        for params in [#"{"key":"a","value":\#(value)}"#, #"["a",\#(value)]"#] {
            try CallText.decode(params) { arguments throws(InvalidParameters) in
                #expect(try CacheSetParameters(arguments).value?.text.text() == value)
            }
        }
    }

    @Test("that are a choice become a case")
    func choice() throws {
        let params = #"{"key":"a","value":1,"condition":"pr\u0065sent"}"#
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            #expect(try CacheSetParameters(arguments).condition == .present)
        }
        for word in [#""ABSENT""#, #""""#, "1"] {
            let params = #"{"key":"a","value":1,"condition":\#(word)}"#
            let fault = try CallText.fault(of: params, CacheSetParameters.init)
            #expect(fault == InvalidParameters("condition", "must be absent or present"))
        }
    }

    @Test("that do not exist are named", arguments: ["loud", "keys", "Key", "ttl_m"])
    func unknown(name: String) throws {
        let fault = try CallText.fault(of: #"{"key":"a","\#(name)":1}"#, CacheGetParameters.init)
        #expect(fault == InvalidParameters(name, "is not a parameter of this method"))
    }

    @Test("that come twice are refused")
    func repeated() throws {
        for params in [#"{"key":"a","key":"a"}"#, #"{"key":"a","k\u0065y":"b"}"#] {
            #expect(
                try CallText.fault(of: params, CacheGetParameters.init) == InvalidParameters("key", "is given twice")
            )
        }
        let nulls = #"{"key":"a","ttl_ms":null,"ttl_ms":null}"#
        #expect(
            try CallText.fault(of: nulls, CacheTouchParameters.init) == InvalidParameters("ttl_ms", "is given twice")
        )
    }

    @Test("beyond the last position are refused, even when they are null", arguments: ["1", "null"])
    func tooMany(last: String) throws {
        let fault = try CallText.fault(of: #"["a",null,true,true,1,1,true,\#(last)]"#, CacheGetParameters.init)
        #expect(fault == InvalidParameters("[7]", "is one too many: this method has 7 parameters"))
    }

    @Test("are missing where the request has none", arguments: [nil, "{}", "[]"])
    func missing(params: String?) throws {
        #expect(try CallText.fault(of: params, CacheGetParameters.init) == InvalidParameters("key", "is required"))
    }

    @Test("of another kind are refused", arguments: ["1", "true", "[]", "{}"])
    func wrongKind(value: String) throws {
        let fault = try CallText.fault(of: #"{"key":\#(value)}"#, CacheGetParameters.init)
        #expect(fault == InvalidParameters("key", "must be a string"))
    }

    @Test("that are truth values are no strings and no numbers", arguments: [#""true""#, "1", "0"])
    func notBoolean(value: String) throws {
        let fault = try CallText.fault(of: #"{"key":"a","fresh":\#(value)}"#, CacheGetParameters.init)
        #expect(fault == InvalidParameters("fresh", "must be true or false"))
    }

    @Test("make a sentence when they are wrong")
    func message() throws {
        let fault = try CallText.fault(of: #"{"key":"a","ttl_ms":0}"#, CacheTouchParameters.init)
        #expect(fault?.message == "ttl_ms must be an integer from 1 to 3153600000000, or null")
    }

    @Test("of a method without any are refused, apart from metadata")
    func none() throws {
        #expect(try CallText.fault(of: nil, NoParameters.init) == nil)
        #expect(try CallText.fault(of: "{}", NoParameters.init) == nil)
        #expect(try CallText.fault(of: "[]", NoParameters.init) == nil)
        #expect(try CallText.fault(of: #"{"_meta":{}}"#, NoParameters.init) == nil)
        #expect(
            try CallText.fault(of: #"{"loud":1}"#, NoParameters.init)
                == InvalidParameters("loud", "is not a parameter of this method")
        )
        #expect(try CallText.fault(of: "[1]", NoParameters.init)?.parameter == "[0]")
    }
}
