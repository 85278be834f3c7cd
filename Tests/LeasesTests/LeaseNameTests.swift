import Bytes
import Leases
import Store
import Testing

@Suite("Names of leases and of what they are of")
struct LeaseNameTests {
    private func text(_ token: LeaseToken) -> [UInt8] {
        var buffer = ByteBuffer()
        token.append(to: &buffer)
        return buffer.view.copy()
    }

    @Test("A token says its lease and what is leased", arguments: ["a", "orders", "{x}", "ü €", "a-b=c"])
    func token(name: String) throws {
        let id = LeaseID.make()
        let written = text(LeaseToken(id, Array(name.utf8)))
        let read = try #require(written.withByteView { LeaseToken($0) })
        #expect(read.id == id)
        #expect(read.name == Array(name.utf8))
    }

    @Test("Two leases have different names")
    func random() {
        #expect(Set((0..<1000).map { _ in LeaseID.make() }).count == 1000)
    }

    @Test(
        "Anything else is no token",
        arguments: [
            "", "6f1c2a9e0b7d4c58a3e1f0927d6b5c44", "6f1c2a9e0b7d4c58a3e1f0927d6b5c44-",
            "6F1C2A9E0B7D4C58A3E1F0927D6B5C44-b3JkZXJz", "6f1c2a9e0b7d4c58a3e1f0927d6b5c4-b3JkZXJz",
            "6f1c2a9e0b7d4c58a3e1f0927d6b5c44-***", "6f1c2a9e0b7d4c58a3e1f0927d6b5c44 b3JkZXJz",
        ]
    )
    func noToken(text: String) {
        #expect(Array(text.utf8).withByteView { LeaseToken($0) } == nil)
    }

    @Test(
        "Both keys of a place lie in one slot, whatever its name",
        arguments: ["orders", "a{b}c", "}", "{}", "{x", "a:b"]
    )
    func place(name: String) throws {
        let keyspace = Keyspace(prefix: Array("p:".utf8), keyBytesMax: 1024)
        let place = LeasePlace(.lock, Array(name.utf8), keyspace)
        let tag = { (key: [UInt8]) in
            String(decoding: key, as: UTF8.self).drop { $0 != "{" }.dropFirst().prefix { $0 != "}" }
        }
        #expect(tag(place.key) == tag(place.queue))
        #expect(!tag(place.key).isEmpty)
        let stem = Array("p:lock:".utf8)
        #expect(place.key.starts(with: stem))
        #expect(LeasePlace.name(inTagged: place.key.dropFirst(stem.count)) == Array(name.utf8))
    }

    @Test("Two names are two places", arguments: [("a", "b"), ("{a}", "a"), ("}", "{"), ("{}", "}")])
    func places(first: String, second: String) {
        let keyspace = Keyspace(prefix: [], keyBytesMax: 1024)
        let keys = [first, second].map { LeasePlace(.lock, Array($0.utf8), keyspace).key }
        #expect(keys[0] != keys[1])
    }

    @Test("A record is read as it is written in Valkey")
    func record() throws {
        let description = LeaseDescription(label: Array("\"a b\"".utf8), host: "h", isBound: true, holdMilliseconds: 5)
        let text = Array("1763625630000 1000000 1763625600000001 1763625600000 30000 h 1000 2f0c 2f0c-1 ".utf8)
        let record = try #require(LeaseRecord(text + description.text))
        #expect(record.end == 1_763_625_630_000)
        #expect(record.weight == 1_000_000)
        #expect(record.fence == 1_763_625_600_000_001)
        #expect(record.since == 1_763_625_600_000)
        #expect(record.life == 30_000)
        #expect(record.state == UInt8(ascii: "h"))
        #expect(record.user == 1000)
        #expect(record.party == Array("2f0c-1".utf8))
        let read = try #require(LeaseDescription(record.description))
        #expect(read.label == Array("\"a b\"".utf8))
        #expect(read.host == "h")
        #expect(read.isBound)
        #expect(read.holdMilliseconds == 5)
    }

    @Test("What is no record is none", arguments: ["", "1 2 3", "a b c d e f g h i j"])
    func noRecord(text: String) {
        #expect(LeaseRecord(Array(text.utf8)) == nil)
    }
}
