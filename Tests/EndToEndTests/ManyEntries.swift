import JSON
import Linux
import TestSupport
import Testing

/// Many entries, and what invalidating all of them costs.
enum ManyEntries {
    /// Writes entries `k1`, `k2` and so on, all with one tag, as the agent would have written them.
    static func fill(_ server: ValkeyServer, count: Int, tag: String) throws {
        let client = try server.connect()
        let script = """
            local generation = redis.call('GET', 'cache-tag:' .. ARGV[3])
            for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
              local name = 'cache:k' .. i
              redis.call('SET', name, '\\1E\\2' .. struct.pack('>I2', #name) .. name .. '\\1'
                .. struct.pack('>I2', #ARGV[3]) .. ARGV[3] .. generation .. '{"number":' .. i .. '}')
            end
            """
        for start in stride(from: 1, through: count, by: 10_000) {
            let end = min(start + 9999, count)
            let reply = try client.command("EVAL", script, "0", "\(start)", "\(end)", tag)
            if case .error(let text) = reply { throw FixtureError(text) }
        }
    }

    /// How often Valkey has executed each command, `config` and `info` left aside.
    static func commands(_ server: RESPClient) throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for line in (try server.command("INFO", "commandstats").text ?? "").split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":"), line.hasPrefix("cmdstat_") else { continue }
            let name = String(line[line.index(line.startIndex, offsetBy: 8)..<colon])
            let calls = line.split(separator: "=").dropFirst().first?.split(separator: ",").first.flatMap { Int($0) }
            if !["info", "ping", "time"].contains(name) { counts[name] = calls }
        }
        return counts
    }

    /// Invalidates a tag of `count` entries: one round trip, whatever their number, and none of them is found any more.
    static func checkTag(count: Int) async throws {
        try await withAgent(configuration: #"{"cache":{"sweep_keys_per_second":0}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"first","value":0,"tags":["t"],"ttl_ms":null}"#)
            try fill(agent.server, count: count, tag: "t")
            for number in [1, count / 2, count] {
                let result = try await client.result(of: "cache.get", #"["k\#(number)"]"#)
                #expect(result["value"] == ["number": .integer(Int64(number))])
            }
            let server = try agent.server.connect()
            let before = try commands(server)
            let asked = Instant.now
            #expect(try await client.resultText(of: "cache.invalidate", #"{"tags":["t"]}"#) == "{}")
            let taken = Instant.now.nanoseconds(since: asked) / 1000
            // One removes the tag; behind it, in the same write, a script notes when that was.
            let isCounted = ["unlink", "evalsha", "set"]
            let more = isCounted.map { ($0, (before[$0] ?? 0) + 1) }
            try await waitUntil("the invalidation is noted") {
                try commands(server)["evalsha"] == (before["evalsha"] ?? 0) + 1
            }
            let after = try commands(server)
            #expect(after.filter { before[$0.key] != $0.value } == Dictionary(uniqueKeysWithValues: more))
            for number in Set((0..<200).map { 1 + $0 * (count / 200) } + [1, count / 2, count]) {
                #expect(try await client.result(of: "cache.get", #"["k\#(number)"]"#) == ["hit": false])
            }
            if Soak.isEnabled { print("invalidated a tag of \(count) entries with one command in \(taken) µs") }
        }
    }

    /// Invalidates a pattern of `count` entries, and measures reads of another client of that Valkey beside it.
    static func checkPattern(count: Int) async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"first","value":0,"tags":["t"],"ttl_ms":null}"#)
            try fill(agent.server, count: count, tag: "t")
            let server = try agent.server.connect()
            try server.command("SET", "other", "1")
            let idle = try latencies(server) { $0 >= 20_000 }
            let params = #"{"pattern":"k*","_meta":{"deadline_ms":600000}}"#
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.invalidate","params":\#(params)}"#)
            var reply: String?
            let busy = try latencies(server) { _ in
                if reply == nil { reply = try client.receivedMessage() }
                return reply != nil
            }
            let last: String
            if let reply { last = reply } else { last = try await client.receive() }
            #expect(last.contains(#""invalidated":\#(count)"#), "\(last)")
            if Soak.isEnabled {
                print("reads of another client, idle: p50 \(idle.p50) µs, p99 \(idle.p99) µs, of \(idle.count)")
                print("while \(count) keys are swept: p50 \(busy.p50) µs, p99 \(busy.p99) µs, of \(busy.count)")
            }
        }
    }

    /// Reads until `isOver`, which is told how often it was read.
    private static func latencies(
        _ server: RESPClient,
        until isOver: (Int) throws -> Bool
    ) throws -> (p50: Int64, p99: Int64, count: Int) {
        var taken: [Int64] = []
        repeat {
            let asked = Instant.now
            try server.command("GET", "other")
            taken.append(Instant.now.nanoseconds(since: asked) / 1000)
        } while try !isOver(taken.count)
        taken.sort()
        return (taken[taken.count / 2], taken[taken.count * 99 / 100], taken.count)
    }
}
