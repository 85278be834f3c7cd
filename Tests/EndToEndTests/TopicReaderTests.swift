import JSON
import TestSupport
import Testing

@Suite("A reader of topics")
struct TopicReaderTests {
    /// Waits until the agent has handed on so many messages.
    private func waitUntilDelivered(_ count: Int64, _ agent: RunningAgent) async throws {
        try await waitUntil("\(count) messages are delivered") {
            try await agent.connect().result(of: "agent.stats")["topics"]?["delivered"]?.integer == count
        }
    }

    @Test("is given messages of all its topics, also where one of them never ends")
    func fairness() async throws {
        try await withAgent { agent in
            let (publisher, reader) = (try agent.lease(), try agent.lease())
            let text = Document.string(String(repeating: "x", count: 300_000))
            for _ in 0..<30 {
                _ = try await publisher.result("topic.publish", ["topic": "endless", "message": text])
            }
            for number in 0..<3 {
                let params: Document = ["topic": .string("short-\(number)"), "message": .integer(Int64(number))]
                _ = try await publisher.result("topic.publish", params)
            }
            for topic in ["endless", "short-0", "short-1", "short-2"] {
                _ = try await reader.begin(
                    "topic.subscribe",
                    ["topic": .string(topic), "group": "g", "from": "start"]
                )
            }
            var short: Set<Int64> = []
            for _ in 0..<20 {
                if let number = try await reader.push("topic.message")["message"]?.integer { short.insert(number) }
            }
            #expect(short == [0, 1, 2])
        }
    }

    @Test("that closes was not given what had not begun to leave for it")
    func unsent() async throws {
        try await withAgent { agent in
            let other = try agent.lease()
            let text = Document.string(String(repeating: "x", count: 900_000))
            for _ in 0..<2 {
                _ = try await other.result("topic.publish", ["topic": "orders", "message": text])
            }
            let subscription: Document = ["topic": "orders", "group": "g", "from": "start", "ack_ms": 3_600_000]
            do {
                // More than the kernel takes while it does not read.
                let reader = try agent.lease()
                _ = try await reader.begin("topic.subscribe", subscription)
                try await waitUntilDelivered(2, agent)
            }
            _ = try await other.result("topic.subscribe", subscription)
            #expect(try await other.push("topic.message")["deliveries"] == 2)
            #expect(try await other.push("topic.message")["deliveries"] == 1)
        }
    }

    @Test("that unsubscribes behind an ack loses nothing of it, over however many connections to Valkey")
    func ackedBeforeTheEnd() async throws {
        try await withAgent(configuration: #"{"valkey":{"connections":4}}"#) { agent in
            let publisher = try agent.lease()
            let subscription: Document = ["topic": "orders", "group": "g", "from": "start"]
            let text = Document.string(String(repeating: "x", count: 4_000_000))
            for round in 0..<8 {
                _ = try await publisher.result("topic.publish", ["topic": "orders", "message": .integer(Int64(round))])
                let reader = try agent.lease()
                let name = try await reader.result("topic.subscribe", subscription)["subscription"] ?? .null
                let message = try await reader.push("topic.message")
                #expect(message["message"] == .integer(Int64(round)))
                // What the ack stands behind takes Valkey a while; another connection does not.
                let large = try await reader.begin("topic.publish", ["topic": "large", "message": text])
                let settled: Document = ["subscription": name, "ids": [message["id"] ?? .null]]
                let ack = try await reader.begin("topic.ack", settled)
                let end = try await reader.begin("topic.unsubscribe", ["subscription": name])
                #expect(try await reader.result(of: large)["id"] != nil)
                #expect(try await reader.result(of: ack)["lost"] == [])
                #expect(try await reader.result(of: end)["unsubscribed"] == true)
            }
        }
    }
}
