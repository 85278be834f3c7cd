import Bytes
import JSON
import JSONRPC
import Testing

@testable import Channels

@Suite("Filters on messages")
struct MessageFilterTests {
    private func matches(_ filter: String, _ message: String) throws -> Bool {
        try Array(filter.utf8).withByteView { filter throws -> Bool in
            let filter = try MessageFilter(try JSONScanner.scan(filter, depthMax: 64))
            return try Array(message.utf8).withByteView { message throws(JSONFault) -> Bool in
                filter.matches(try JSONScanner.scan(message, depthMax: 64))
            }
        }
    }

    @Test(
        "let pass what fits",
        arguments: [
            (#"{"type":"order.paid"}"#, #"{"id":1,"type":"order.paid"}"#),
            (#"{"type":"order.*"}"#, #"{"type":"order.paid"}"#),
            (#"{"type":"order.*"}"#, #"{"type":"order."}"#),
            (#"{"type":"*"}"#, #"{"type":""}"#),
            (#"{"tenant":["a","b"]}"#, #"{"tenant":"b"}"#),
            (#"{"type":["x","order.*"],"tenant":"a"}"#, #"{"tenant":"a","type":"order.paid"}"#),
            (#"{"user.address.city":"Berlin"}"#, #"{"user":{"address":{"city":"Berlin"}}}"#),
            (#"{"count":5}"#, #"{"count":5}"#),
            (#"{"count":5}"#, #"{"count":5.0}"#),
            (#"{"count":0.5}"#, #"{"count":5e-1}"#),
            (#"{"gone":null}"#, #"{"gone":null}"#),
            (#"{"done":[true,null]}"#, #"{"done":true}"#),
            (#"{"name":"M\u00fcller"}"#, #"{"name":"Müller"}"#),
            (#"{"n\u0061me":"x"}"#, #"{"na\u006de":"\u0078"}"#),
            (#"{"tenant":"b"}"#, #"{"tenant":"a","tenant":"b"}"#),
            (#"{"":1}"#, #"{"":1}"#),
        ]
    )
    func passed(_ filter: String, _ message: String) throws {
        #expect(try matches(filter, message))
    }

    @Test(
        "keep away what does not",
        arguments: [
            (#"{"type":"order.paid"}"#, #"{"type":"order.pai"}"#),
            (#"{"type":"order.*"}"#, #"{"type":"order"}"#),
            (#"{"type":"order.*"}"#, #"{"type":["order.paid"]}"#),
            (#"{"tenant":["a","b"]}"#, #"{"tenant":"c"}"#),
            (#"{"tenant":"a"}"#, #"{"user":{"tenant":"a"}}"#),
            (#"{"tenant":"a"}"#, #"{"tenant":"a","tenant":"b"}"#),
            (#"{"type":"x","tenant":"a"}"#, #"{"type":"x"}"#),
            (#"{"user.id":1}"#, #"{"user.id":1}"#),
            (#"{"user.id":1}"#, #"{"user":1}"#),
            (#"{"user.id":1}"#, #"{"user":[{"id":1}]}"#),
            (#"{"id":9007199254740993}"#, #"{"id":9007199254740992}"#),
            (#"{"id":1}"#, #"{"id":"1"}"#),
            (#"{"id":"1"}"#, #"{"id":1}"#),
            (#"{"gone":null}"#, #"{}"#),
            (#"{"done":true}"#, #"{"done":false}"#),
            (#"{"a":1}"#, "[1]"),
            (#"{"a":1}"#, "1"),
            (#"{"name":"x"}"#, #"{"name":"\ud800"}"#),
        ]
    )
    func keptAway(_ filter: String, _ message: String) throws {
        #expect(try !matches(filter, message))
    }

    @Test(
        "that nothing could ever meet, or that are too large, are refused",
        arguments: [
            #"{"user":{"id":1}}"#, #"{"a":[[1]]}"#, #"{"a":[]}"#, #"{"a":"\ud800"}"#, #"{"\ud800":1}"#,
            "{" + (0...32).map { "\"\($0)\":1" }.joined(separator: ",") + "}",
            #"{"a":["# + (0...256).map(String.init).joined(separator: ",") + "]}",
        ]
    )
    func refused(_ filter: String) throws {
        let error = #expect(throws: RPCError.self) { try matches(filter, "{}") }
        #expect(error?.code == -32602)
        #expect(error?.message.hasPrefix("filter ") == true)
    }
}
