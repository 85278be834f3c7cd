import RPCClient
import Testing

@testable import RPCCommand

@Suite("A lease of the connection")
struct ConnectionLeaseTests {
    private static let acquire = MethodDescription.reading(
        #"{"name":"lock.acquire","summary":"","params":[{"name":"name","schema":{}},{"name":"bind","schema":{}}]}"#
    )

    private func complaint(_ method: String, _ params: String, _ result: String) throws -> String? {
        let result = try #require(JSONFragment(result))
        return ConnectionLease.complaint(method, try CallParams(base: JSONFragment(params)), Self.acquire, result)
    }

    @Test(
        "is said to end with the command, and what lasts instead",
        arguments: [
            ("lock.acquire", #"{"name":"n"}"#, "as this command ends: use rpc lock.exec, or bind=none"),
            ("lock.acquire", #"{"name":"n","bind":"connection"}"#, "released as this command ends"),
            ("lock.acquire", #"["n"]"#, "released as this command ends"),
            ("lock.acquire", #"["n","connection"]"#, "released as this command ends"),
            ("semaphore.acquire", #"{"name":"n","limit":3}"#, "released as this command ends: use bind=none"),
            ("cache.get", #"{"key":"k","lease_ms":10000}"#, "ends with this command"),
            ("response.get", #"{"model":"m","lease_ms":10000}"#, "ends with this command"),
        ]
    )
    func warned(method: String, params: String, words: String) throws {
        let line = try #require(try complaint(method, params, #"{"acquired":true,"lease":"l"}"#))
        #expect(line.hasPrefix("rpc: ") && line.hasSuffix("\n") && line.contains(words), "\(line)")
    }

    @Test("that is renewed is said to be this connection's", arguments: ["lock.renew", "semaphore.renew"])
    func renewed(method: String) throws {
        let line = try #require(try complaint(method, #"{"lease":"l"}"#, #"{"fence":7,"ttl_ms":28499}"#))
        #expect(line.contains("is bound to this one"), "\(line)")
    }

    @Test("is not spoken of where there is none, or where it lasts")
    func silent() throws {
        let got = #"{"acquired":true,"lease":"l"}"#
        #expect(try complaint("lock.acquire", #"{"name":"n","bind":"none"}"#, got) == nil)
        #expect(try complaint("lock.acquire", #"["n","none"]"#, got) == nil)
        #expect(try complaint("lock.acquire", #"{"name":"n"}"#, #"{"acquired":false}"#) == nil)
        #expect(try complaint("cache.get", #"{"key":"k"}"#, #"{"hit":false}"#) == nil)
        #expect(try complaint("channel.subscribe", "{}", got) == nil)
    }
}

extension MethodDescription {
    /// Reads the text of a method object.
    fileprivate static func reading(_ text: String) -> MethodDescription? {
        JSONFragment(text).flatMap { MethodDescription($0) }
    }
}
