import Contract
import Testing

@Suite("Integer parameters")
struct IntegerTests {
    @Test("take the whole range that the contract allows", arguments: [1, 100, 10_000] as [Int64])
    func inRange(number: Int64) throws {
        try CallText.decode(#"{"count":\#(number)}"#) { arguments throws(InvalidParameters) in
            #expect(try CacheKeysParameters(arguments).count == number)
        }
    }

    @Test(
        "refuse what is outside of it or not written as an integer",
        arguments: ["0", "-1", "10001", "1.0", "1e2", "0.5", #""1""#, "null", "9223372036854775808"]
    )
    func outOfRange(text: String) throws {
        let fault = try CallText.fault(of: #"{"count":\#(text)}"#, CacheKeysParameters.init)
        #expect(fault == InvalidParameters("count", "must be an integer from 1 to 10000"))
    }

    @Test("of 64 bits take every one of them", arguments: [Int64.min, -1, 0, .max])
    func wide(number: Int64) throws {
        try CallText.decode(#"{"key":"a","by":\#(number)}"#) { arguments throws(InvalidParameters) in
            #expect(try CacheIncrementParameters(arguments).by == number)
        }
        let fault = try CallText.fault(of: #"{"key":"a","by":-9223372036854775809}"#, CacheIncrementParameters.init)
        #expect(fault == InvalidParameters("by", "must be an integer of 64 bits"))
    }

    @Test("that stand for a life end at a century", arguments: ["0", "-5", "3153600000001", "1.5", #""60s""#])
    func life(text: String) throws {
        for params in [#"{"key":"a","ttl_ms":\#(text)}"#, #"["a",\#(text)]"#] {
            #expect(try CallText.fault(of: params, CacheTouchParameters.init)?.parameter == "ttl_ms")
        }
        #expect(try CallText.fault(of: #"["a",3153600000000]"#, CacheTouchParameters.init) == nil)
    }
}
