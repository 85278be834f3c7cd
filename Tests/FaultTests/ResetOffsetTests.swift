import Linux
import RPCClient
import TestSupport
import Testing

/// The connection to Valkey is reset at every byte of a request and of its reply.
struct ResetOffsetTests {
    @Test("a reset at any byte of a call shifts no reply, and the agent goes on")
    func everyByte() async throws {
        try await Self.run(ResetCall.quick)
    }

    /// One reset.
    private struct Cut: Sendable {
        let call: ResetCall
        let direction: FaultProxy.Direction
        let offset: Int
    }

    /// Cuts used up with one agent, whose delays before it connects again grow with each.
    private static let cutsPerAgent = 4
    /// Agents at a time: they mostly wait to connect again.
    private static let agents = 6

    /// Makes each of `calls` once for each of its bytes, with a reset at that byte.
    ///
    /// - Returns: How many resets that were.
    @discardableResult
    static func run(_ calls: [ResetCall]) async throws -> Int {
        try await Machine.alone {
            var cuts: [Cut] = []
            try await withRig { rig in
                for call in calls { cuts += try rig.cuts(of: call) }
            }
            let all = cuts
            try await withThrowingTaskGroup(of: Void.self) { group in
                for first in 0..<agents {
                    group.addTask {
                        for start in stride(from: first * cutsPerAgent, to: all.count, by: agents * cutsPerAgent) {
                            let share = all[start..<min(start + cutsPerAgent, all.count)]
                            try await withRig { rig in
                                for cut in share { try rig.perform(cut) }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            return all.count
        }
    }

    private static func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                try await withDaemon(arguments: ["--valkey", proxy.address.url]) { daemon in
                    try await body(Rig(proxy: proxy, daemon: daemon))
                }
            }
        }
    }

    /// An agent whose way to Valkey can be cut, with one client.
    private struct Rig {
        let proxy: FaultProxy
        let client: RPCClient
        private var deadline: Instant { Instant.now.advanced(by: .seconds(20)) }

        init(proxy: FaultProxy, daemon: Daemon) throws {
            self.proxy = proxy
            client = try RPCClient(path: daemon.socketPath, until: Instant.now.advanced(by: .seconds(5)))
            for (key, value) in Self.marks { try succeed("cache.set", #"{"key":"\#(key)","value":"\#(value)"}"#) }
        }

        /// What the calls read that follow a cut one, each different.
        private static let marks = [("mark:a", "first"), ("mark:b", "second"), ("mark:c", "third")]

        /// Every byte of a call, measured on one that is left alone.
        func cuts(of call: ResetCall) throws -> [Cut] {
            for _ in 0..<2 {
                // The first time a script is used it is loaded too.
                try prepare(call)
                _ = try client.call(call.method, params: JSONFragment(call.params), until: deadline)
            }
            try prepare(call)
            let before = proxy.counters
            let reply = try client.call(call.method, params: JSONFragment(call.params), until: deadline)
            #expect(call.results.first == reply.result?.text, "\(call.testDescription): \(reply.text.text)")
            let after = proxy.counters
            return (0...(after.requestBytes - before.requestBytes)).map {
                Cut(call: call, direction: .requests, offset: $0)
            }
                + (0...(after.replyBytes - before.replyBytes)).map { Cut(call: call, direction: .replies, offset: $0) }
        }

        /// Makes a call that is cut, others behind it, and looks at all of their replies.
        func perform(_ cut: Cut) throws {
            try prepare(cut.call)
            let resets = proxy.counters.resets
            proxy.reset(afterBytes: cut.offset, of: cut.direction)
            let id = client.send(cut.call.method, params: JSONFragment(cut.call.params))
            let followers = Self.marks.map { client.send("cache.get", params: JSONFragment(#"{"key":"\#($0.0)"}"#)) }
            let reply = try client.reply(to: id, until: deadline)
            let place = "\(cut.call.testDescription), \(cut.direction) at \(cut.offset)"
            for (follower, mark) in zip(followers, Self.marks) {
                let text = try client.reply(to: follower, until: deadline).text.text
                #expect(text.contains(#""result":{"hit":true,"value":"\#(mark.1)","#), "\(place): \(text)")
            }
            #expect(proxy.counters.resets == resets + 1, "\(place)")
            let isUnknown = reply.error?.kind == "ambiguous" && reply.error?.data?["outcome"]?.string == "unknown"
            let isDone = reply.result.map { cut.call.results.contains($0.text) } == true
            #expect(isDone || isUnknown && cut.call.effect == .once, "\(place): \(reply.text.text)")
            guard let probe = cut.call.probe else { return }
            let found = try client.call(probe.method, params: JSONFragment(probe.params), until: deadline).result?.text
            let isUntouched = isUnknown && found == cut.call.untouched
            #expect(found == cut.call.after || isUntouched, "\(place): \(found ?? "nothing")")
        }

        private func prepare(_ call: ResetCall) throws {
            for (method, params) in call.before { try succeed(method, params) }
        }

        private func succeed(_ method: String, _ params: String) throws {
            let reply = try client.call(method, params: JSONFragment(params), until: deadline)
            guard reply.result != nil else { throw FixtureError("\(method) \(params): \(reply.text.text)") }
        }
    }
}
