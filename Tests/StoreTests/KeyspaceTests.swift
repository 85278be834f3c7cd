import Bytes
import JSON
import JSONRPC
import Testing

@testable import Store

@Suite("Names of keys")
struct KeyspaceTests {
    private func string(_ text: StaticString) throws -> JSONString {
        try #require(try JSONScanner.scan(ByteView(text), depthMax: 1).string)
    }

    private func word(
        _ keyspace: Keyspace,
        _ family: KeyFamily,
        _ namespace: StaticString?,
        _ key: StaticString
    ) throws -> String {
        var buffer = ByteBuffer()
        let resolved = try keyspace.resolve(string(key), parameter: "key")
        keyspace.append(to: &buffer, family, try namespace.map { try string($0) }, resolved)
        return buffer.view.text()
    }

    @Test("are family and key, with the namespace between them, behind the prefix")
    func names() throws {
        let plain = Keyspace(prefix: [], keyBytesMax: 1024)
        #expect(try word(plain, .cache, nil, #""user:42""#) == "$13\r\ncache:user:42\r\n")
        #expect(try word(plain, .hash, #""people""#, #""42""#) == "$14\r\nhash@people:42\r\n")
        let prefixed = Keyspace(prefix: Array("app:".utf8), keyBytesMax: 1024)
        #expect(try word(prefixed, .cache, nil, #""k""#) == "$11\r\napp:cache:k\r\n")
    }

    @Test("mean what the escapes of a key mean")
    func escapes() throws {
        let keyspace = Keyspace(prefix: [], keyBytesMax: 1024)
        #expect(try word(keyspace, .cache, nil, #""\u0041\n""#) == "$8\r\ncache:A\n\r\n")
    }

    @Test("are refused where the key is too long or no text")
    func refusals() throws {
        let keyspace = Keyspace(prefix: [], keyBytesMax: 4)
        #expect(throws: RPCError.self) { _ = try keyspace.resolve(string(#""12345""#), parameter: "key").count }
        #expect(try keyspace.resolve(string(#""1234""#), parameter: "key").count == 4)
        #expect(throws: RPCError.self) { _ = try keyspace.resolve(string(#""\ud800""#), parameter: "key").count }
    }

    @Test("are matched by globs that take prefix and namespace as they are")
    func globs() {
        let keyspace = Keyspace(prefix: Array("a*[b]".utf8), keyBytesMax: 1024)
        #expect(String(decoding: keyspace.glob(.cache), as: UTF8.self) == #"a\*\[b\]cache[:@]*"#)
        #expect(String(decoding: Glob.escaped(Array(#"?\x"#.utf8)), as: UTF8.self) == #"\?\\x"#)
    }

    @Test(
        "lie in the slot of what stands in their first braces",
        arguments: [
            ("{user1000}.following", "user1000"), ("foo{}{bar}", "foo{}{bar}"), ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"), ("plain", "plain"), ("open{", "open{"),
        ]
    )
    func slotTags(name: String, tag: String) {
        // The first four are those of the Cluster specification.
        #expect(String(decoding: SlotTag.of(Array(name.utf8)), as: UTF8.self) == tag)
    }
}
