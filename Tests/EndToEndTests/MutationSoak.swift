import Bytes
import JSON
import Linux
import TestSupport
import Testing

@testable import DevTools

@Suite("Messages with random faults", .enabled(if: Soak.isEnabled))
struct MutationSoak {
    private static let fragments: [[UInt8]] =
        [
            "null", "-0", "1e400", "[", "]", "{", "}", "\"", "\\", #"\ud800"#, #"\u0000"#, ",", ":",
            "9223372036854775808",
            #""_meta":{"deadline_ms":1},"#, #""request_id":"x","#, "\r", "\t", "*", "Content-Length: 5\r\n\r\n", "GET ",
        ].map { Array($0.utf8) } + [
            [0xff], [0xc3], [0xed, 0xa0, 0x80], [0], [UInt8](repeating: UInt8(ascii: "["), count: 70),
        ]

    /// The calls of every example, but for those that change how the agent serves others, and those that bind something to
    /// the connection: it is then kept open when its client has sent its last byte.
    private func seeds() throws -> [[UInt8]] {
        let contract = try ContractFiles(try Project())
        let binding = ["acquire", "subscribe", "campaign", "observe"]
        let methods = contract.methods.filter { method in
            method.name != "agent.breaker" && !binding.contains { method.name.hasSuffix($0) }
        }
        return methods.flatMap { method in
            method.examples.map { example in
                let params = example.params.document.text(style: .compact)
                return Array(#"{"jsonrpc":"2.0","id":1,"method":"\#(method.name)","params":\#(params)}"#.utf8)
            }
        }
    }

    private func mutated(_ seeds: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.insert(contentsOf: Self.fragments.randomElement(using: &random) ?? [], at: index)
            case 1: bytes.removeSubrange(index..<min(index + 5, bytes.count))
            case 2 where index < bytes.count: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
            case 3: bytes.replaceSubrange(index..., with: (seeds.randomElement(using: &random) ?? []).suffix(40))
            default: bytes.insert(contentsOf: bytes.prefix(index), at: index)
            }
        }
        return bytes.filter { $0 != UInt8(ascii: "\n") }
    }

    @Test("never stop the agent, and every answer is JSON on one line")
    func mutations() async throws {
        let seeds = try seeds()
        try await withAgent { agent in
            var random = SeededGenerator(seed: 2026)
            let end = Instant.now.advanced(by: Soak.duration(.seconds(30)))
            while Instant.now < end {
                let client = try agent.connect()
                let messages = (0..<Int.random(in: 1...40, using: &random)).map { _ in mutated(seeds, &random) }
                // The agent may end a connection that no longer makes sense while this is being sent.
                try? await client.send(bytes: Array(messages.joined(separator: [UInt8(ascii: "\n")])))
                client.finishSending()
                let answer = try await client.receiveToEnd()
                // A first byte may have made it HTTP, or the other framing.
                guard answer.hasPrefix("{") || answer.hasPrefix("[") else { continue }
                for line in answer.split(separator: "\n") {
                    let isJSON = String(line).withByteView { (try? JSONScanner.scan($0, depthMax: 128)) != nil }
                    #expect(isJSON, "\(line.prefix(300))")
                }
            }
            let statistics = try await agent.connect().result(of: "agent.stats")
            #expect(statistics["calls"]?["running"] == 0)
            #expect(try agent.residentBytesPeak < 64 << 20)
        }
    }
}
