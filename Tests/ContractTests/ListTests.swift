import Bytes
import Contract
import JSON
import Testing

@Suite("Lists of strings")
struct StringListTests {
    @Test("hand out their strings in order, as often as asked")
    func order() throws {
        try CallText.decode(#"{"keys":["b", "a\n" ,"b"]}"#) { arguments throws(InvalidParameters) in
            let keys = try CacheGetManyParameters(arguments).keys
            #expect(keys.count == 3)
            #expect(keys.map { $0.decoded() } == ["b", "a\n", "b"])
            #expect(keys.map { $0.decoded() } == ["b", "a\n", "b"])
        }
    }

    @Test("hold strings only, and name the first that is none")
    func elements() throws {
        for (element, index) in [("1", 1), ("null", 1), ("[]", 1)] {
            let fault = try CallText.fault(of: #"{"keys":["a",\#(element),2]}"#, CacheGetManyParameters.init)
            #expect(fault == InvalidParameters("keys[\(index)]", "must be a string"))
        }
        let fault = try CallText.fault(of: #"{"keys":["a","b",""]}"#, CacheGetManyParameters.init)
        #expect(fault == InvalidParameters("keys[2]", "must be a string of at least one character"))
    }

    @Test("have from 1 to 1000 elements")
    func count() throws {
        func params(_ count: Int) -> String {
            #"{"keys":["# + Array(repeating: #""a""#, count: count).joined(separator: ",") + "]}"
        }
        let wrong = InvalidParameters("keys", "must have from 1 to 1000 elements")
        #expect(try CallText.fault(of: params(0), CacheGetManyParameters.init) == wrong)
        #expect(try CallText.fault(of: params(1), CacheGetManyParameters.init) == nil)
        #expect(try CallText.fault(of: params(1000), CacheGetManyParameters.init) == nil)
        #expect(try CallText.fault(of: params(1001), CacheGetManyParameters.init) == wrong)
    }

    @Test("are arrays", arguments: [#""a""#, "{}", "1", "null"])
    func kind(value: String) throws {
        let fault = try CallText.fault(of: #"{"keys":\#(value)}"#, CacheGetManyParameters.init)
        #expect(fault == InvalidParameters("keys", "must be an array"))
    }

    @Test("come once")
    func repeated() throws {
        let fault = try CallText.fault(of: #"{"keys":["a"],"keys":["a"]}"#, CacheGetManyParameters.init)
        #expect(fault == InvalidParameters("keys", "is given twice"))
    }
}

@Suite("Lists of objects")
struct ObjectListTests {
    @Test("decode each object when it is asked for")
    func entries() throws {
        let params = """
            [[{"key":"a","value":{"n":1},"ttl_ms":null},{"text":"t","key":"b"},{"base64":"AA==","key":"c"}]]
            """
        try CallText.decode(params) { arguments throws(InvalidParameters) in
            let entries = try CacheSetManyParameters(arguments).entries
            #expect(entries.count == 3)
            #expect(entries.map { $0.key.decoded() } == ["a", "b", "c"])
            #expect(entries.map { $0.value?.text.text() } == [#"{"n":1}"#, nil, nil])
            #expect(entries.map { $0.text?.decoded() } == [nil, "t", nil])
            #expect(entries.map { $0.base64?.decoded() } == [nil, nil, "AA=="])
            #expect(entries.map(\.ttlMilliseconds) == [.null, .absent, .absent])
        }
    }

    @Test(
        "name element and member of a fault",
        arguments: [
            (#"{"value":1}"#, "entries[1].key is required"),
            (#"{"key":"b"}"#, "entries[1].value or text or base64 must be given, and only one of them"),
            (#"{"key":"b","value":1,"ttl":5}"#, "entries[1].ttl is not a parameter of this method"),
            (#"{"key":"b","value":1,"key":"b"}"#, "entries[1].key is given twice"),
            (#"{"key":"b","text":7}"#, "entries[1].text must be a string"),
            (
                #"{"key":"b","value":1,"ttl_ms":0}"#,
                "entries[1].ttl_ms must be an integer from 1 to 3153600000000, or null"
            ), (#""b""#, "entries[1] must be an object"), ("null", "entries[1] must be an object"),
            (#"{"key":"b","value":1,"_meta":{}}"#, "entries[1]._meta is not a parameter of this method"),
        ]
    )
    func faults(entry: String, message: String) throws {
        let params = #"{"entries":[{"key":"a","value":1},\#(entry)]}"#
        #expect(try CallText.fault(of: params, CacheSetManyParameters.init)?.message == message)
    }

    @Test("have from 1 to 1000 elements")
    func count() throws {
        func params(_ count: Int) -> String {
            "[[" + Array(repeating: #"{"key":"a","value":1}"#, count: count).joined(separator: ",") + "]]"
        }
        let wrong = InvalidParameters("entries", "must have from 1 to 1000 elements")
        #expect(try CallText.fault(of: params(0), CacheSetManyParameters.init) == wrong)
        #expect(try CallText.fault(of: params(1000), CacheSetManyParameters.init) == nil)
        #expect(try CallText.fault(of: params(1001), CacheSetManyParameters.init) == wrong)
    }
}

@Suite("Object parameters")
struct ObjectParameterTests {
    @Test("keep their members as written")
    func members() throws {
        try CallText.decode(#"{"key":"a","fields":{"x":1,"y":[2]}}"#) { arguments throws(InvalidParameters) in
            var members = try HashSetParameters(arguments).fields.members()
            let first = members.next()
            #expect(first?.name.decoded() == "x")
            let second = members.next()
            #expect(second?.value.text.text() == "[2]")
            #expect(members.next() == nil)
        }
    }

    @Test("have at least one member")
    func minimum() throws {
        let fault = try CallText.fault(of: #"{"key":"a","fields":{}}"#, HashSetParameters.init)
        #expect(fault == InvalidParameters("fields", "must have at least 1 member"))
    }

    @Test("are objects", arguments: ["[1]", "null", "1", #""x""#])
    func kind(value: String) throws {
        let fault = try CallText.fault(of: #"{"key":"a","fields":\#(value)}"#, HashSetParameters.init)
        #expect(fault == InvalidParameters("fields", "must be an object"))
    }
}
