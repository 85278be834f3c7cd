import Bytes
import JSON
import JSONRPC
import Store
import Testing

@testable import Topics

@Suite("Names of topics, and ids of messages")
struct TopicNameTests {
    private let keyspace = Keyspace(prefix: Array("shop:".utf8), keyBytesMax: 100)

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test(
        "a topic and its dead letters lie in one slot",
        arguments: [
            ("orders", "{orders}"), ("orders.dead", "{orders}.dead"), ("orders.dead.dead", "{orders}.dead.dead"),
            (".dead", "{.dead}"), (".dead.dead", "{.dead}.dead"), ("dead", "{dead}"), ("a:b c", "{a:b c}"),
        ]
    )
    func slots(_ name: String, _ slotted: String) {
        #expect(text(TopicName(Array(name.utf8)).slotted) == slotted)
    }

    @Test("keys of a group say topic and group, and cannot be taken for those of another")
    func keys() {
        let keys = GroupKeys(TopicName(Array("orders".utf8)), Array("a:b".utf8), keyspace)
        #expect(
            keys.names.map(text) == [
                "shop:topic:{orders}", "shop:topic-group:{orders}:a:b", "shop:topic-due:{orders}:a:b",
                "shop:topic-parked:{orders}:a:b", "shop:topic:{orders}.dead",
            ]
        )
        #expect(text(keys.wakeChannel) == "shop:__topic:{orders}")
        #expect(text(keys.deadWakeChannel) == "shop:__topic:{orders}.dead")
        let dead = GroupKeys(TopicName(Array("orders.dead".utf8)), Array("a".utf8), keyspace)
        #expect(text(dead.names[1]) == "shop:topic-group:{orders}.dead:a")
        #expect(text(dead.names[4]) == "shop:topic:{orders}.dead.dead")
    }

    @Test("a name with braces is refused, escaped ones too", arguments: ["a{b", "a}b", "{}", #"a\u007bb"#])
    func braces(_ name: String) throws {
        try "\"\(name)\"".withByteView { text in
            let string = try #require(try JSONScanner.scan(text, depthMax: 1).string)
            let error = #expect(throws: RPCError.self) { _ = try TopicName(string, keyspace) }
            #expect(error?.code == -32602)
        }
    }

    @Test(
        "an id is two plain numbers",
        arguments: [
            ("1763622000000-0", true), ("0-1", true), ("18446744073709551615-18446744073709551615", true),
            ("18446744073709551616-0", false), ("1763622000000", false), ("-1", false), ("1-", false), ("1--1", false),
            ("+1-1", false), ("1-1 ", false), ("", false), ("$", false), ("000000000000000000001-1", false),
        ]
    )
    func ids(_ text: String, _ isID: Bool) {
        let id = text.withByteView { MessageID($0) }
        #expect((id != nil) == isID)
        if let id { #expect(self.text(id.text) == text) }
    }

    @Test("ids are ordered by age")
    func order() {
        #expect(MessageID(1, 2) < MessageID(2, 0))
        #expect(MessageID(1, 9) < MessageID(1, 10))
        #expect(!(MessageID(1, 1) < MessageID(1, 1)))
    }
}
