import Linux
import RPCClient
import RPCTestSupport
import Testing

@testable import RPCCommand

@Suite("Watched counters")
struct RateWatchTests {
    private static func stats(_ hits: Int, entries: Int) throws -> JSONFragment {
        try #require(JSONFragment(#"{"hits":\#(hits),"near":{"entries":\#(entries)},"complete":false}"#))
    }

    /// What is written over turns of two seconds each.
    private func shown(_ turns: [JSONFragment], isTerminal: Bool) throws -> [String] {
        var written: [String] = []
        let console = Console(
            isTerminal: isTerminal,
            input: 0,
            writeOutput: {
                written.append(String(decoding: $0, as: UTF8.self))
                return nil
            },
            writeError: { _ in }
        )
        var watch = try #require(RateWatch("cache.stats", every: .seconds(2), console))
        var now = Instant.now
        for turn in turns {
            now = now.advanced(milliseconds: 2000)
            try watch.show(turn, at: now)
        }
        return written
    }

    @Test("are lines of JSON with their rates where no person reads them")
    func lines() throws {
        let turns = try [
            Self.stats(10, entries: 5), Self.stats(35, entries: 4), Self.stats(35, entries: 9),
            Self.stats(1, entries: 9),
        ]
        #expect(
            try shown(turns, isTerminal: false) == [
                "{\"hits\":10,\"near.entries\":5}\n", "{\"hits\":35,\"hits_per_s\":12.5,\"near.entries\":4}\n",
                "{\"hits\":35,\"hits_per_s\":0.0,\"near.entries\":9}\n",
                // The agent began anew.
                "{\"hits\":1,\"near.entries\":9}\n",
            ]
        )
    }

    @Test("are drawn again in their place on a terminal")
    func drawing() throws {
        let written = try shown([try Self.stats(10, entries: 5), try Self.stats(35, entries: 4)], isTerminal: true)
        #expect(
            written.first == "cache.stats, every 2000 ms\u{1b}[K\nhits          10\u{1b}[K\nnear.entries  5\u{1b}[K\n"
        )
        #expect(
            written.last
                == "\u{1b}[3Acache.stats, every 2000 ms\u{1b}[K\nhits          35  12.5/s\u{1b}[K\nnear.entries  4\u{1b}[K\n"
        )
    }

    @Test("are those of methods that count")
    func methods() {
        let console = Console(isTerminal: false, input: 0, writeOutput: { _ in nil }, writeError: { _ in })
        #expect(RateWatch("response.stats", every: .seconds(1), console) != nil)
        #expect(RateWatch("cache.get", every: .seconds(1), console) == nil)
    }
}
