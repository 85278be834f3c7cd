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
    private static let cutsPerAgent = 2
    /// Agents at a time: they mostly wait to connect again.
    private static let agents = 8

    /// Makes each of `calls` once for each of its bytes, with a reset at that byte.
    ///
    /// - Returns: How many resets that were.
    @discardableResult
    static func run(_ calls: [ResetCall]) async throws -> Int {
        try await Machine.alone {
            let cuts = try await withRig { rig in
                for call in calls { #expect(try await rig.undisturbed(call) == call.results.first) }
                return try await rig.cuts(of: calls)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for first in 0..<agents {
                    group.addTask {
                        for start in stride(from: first * cutsPerAgent, to: cuts.count, by: agents * cutsPerAgent) {
                            let share = Array(cuts[start..<min(start + cutsPerAgent, cuts.count)])
                            let faults = try await withRig { try await $0.perform(share) }
                            #expect(faults.isEmpty)
                        }
                    }
                }
                try await group.waitForAll()
            }
            return cuts.count
        }
    }

    private static func withRig<Result>(_ body: (Rig) async throws -> Result) async throws -> Result {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                // News of changes comes over a connection of its own, and could take the reset that is meant for a reply.
                let environment = ["SQUIRE_CACHE_NEAR_BYTES": "0"]
                let arguments = ["--valkey", proxy.address.url]
                return try await withDaemon(arguments: arguments, environment: environment) { daemon in
                    try await body(Rig(proxy: proxy, daemon: daemon))
                }
            }
        }
    }

    /// An agent whose way to Valkey can be cut.
    private struct Rig: Sendable {
        let proxy: FaultProxy
        let daemon: Daemon

        /// The result of a call that is left alone.
        func undisturbed(_ call: ResetCall) async throws -> String? {
            try await onThread { try Client(self).make(call).result?.text }
        }

        /// Every byte of calls, measured on one of each that is left alone.
        func cuts(of calls: [ResetCall]) async throws -> [Cut] {
            try await onThread {
                let client = try Client(self)
                return try calls.flatMap { try client.cuts(of: $0) }
            }
        }

        /// Makes calls that are cut.
        ///
        /// - Returns: What went wrong, one line each.
        func perform(_ cuts: [Cut]) async throws -> [String] {
            try await onThread {
                let client = try Client(self)
                return try cuts.flatMap { try client.perform($0) }
            }
        }
    }

    /// The one client of a rig, which blocks.
    private struct Client {
        private let proxy: FaultProxy
        private let connection: RPCClient
        private var deadline: Instant { Instant.now.advanced(by: .seconds(20)) }

        /// What the calls read that follow a cut one, each different.
        private static let marks = [("mark:a", "first"), ("mark:b", "second"), ("mark:c", "third")]

        init(_ rig: Rig) throws {
            proxy = rig.proxy
            connection = try RPCClient(path: rig.daemon.socketPath, until: Instant.now.advanced(by: .seconds(5)))
            for (key, value) in Self.marks { try succeed("cache.set", #"{"key":"\#(key)","value":"\#(value)"}"#) }
        }

        func make(_ call: ResetCall) throws -> RPCMessage {
            for (method, params) in call.before { try succeed(method, params) }
            return try connection.call(call.method, params: JSONFragment(call.params), until: deadline)
        }

        func cuts(of call: ResetCall) throws -> [Cut] {
            // The first time a script is used it is loaded too.
            _ = try make(call)
            for (method, params) in call.before { try succeed(method, params) }
            let before = proxy.counters
            _ = try connection.call(call.method, params: JSONFragment(call.params), until: deadline)
            let after = proxy.counters
            let lengths = [
                (FaultProxy.Direction.requests, after.requestBytes - before.requestBytes),
                (.replies, after.replyBytes - before.replyBytes),
            ]
            return lengths.flatMap { direction, length in
                (0...length).map { Cut(call: call, direction: direction, offset: $0) }
            }
        }

        /// Makes a call that is cut and others behind it, and looks at all of their replies.
        func perform(_ cut: Cut) throws -> [String] {
            for (method, params) in cut.call.before { try succeed(method, params) }
            let resets = proxy.counters.resets
            proxy.reset(afterBytes: cut.offset, of: cut.direction)
            let id = connection.send(cut.call.method, params: JSONFragment(cut.call.params))
            let followers = Self.marks.map { key, _ in
                connection.send("cache.get", params: JSONFragment(#"{"key":"\#(key)"}"#))
            }
            let reply = try connection.reply(to: id, until: deadline)
            var faults: [String] = []
            for (follower, mark) in zip(followers, Self.marks) {
                let text = try connection.reply(to: follower, until: deadline).text.text
                if !text.contains(#""result":{"hit":true,"value":"\#(mark.1)","#) { faults.append(text) }
            }
            if proxy.counters.resets != resets + 1 { faults.append("\(proxy.counters.resets - resets) resets") }
            let isUnknown = reply.error?.kind == "ambiguous" && reply.error?.data?["outcome"]?.string == "unknown"
            let isDone = reply.result.map { cut.call.results.contains($0.text) } == true
            if !isDone, !isUnknown || cut.call.effect != .once { faults.append(reply.text.text) }
            if let probe = cut.call.probe {
                let params = JSONFragment(probe.params)
                let found = try connection.call(probe.method, params: params, until: deadline).result?.text
                let isUntouched = isUnknown && found == cut.call.untouched
                if found != cut.call.after, !isUntouched { faults.append("then found \(found ?? "nothing")") }
            }
            return faults.map { "\(cut.call.testDescription), \(cut.direction) at \(cut.offset): \($0)" }
        }

        private func succeed(_ method: String, _ params: String) throws {
            let reply = try connection.call(method, params: JSONFragment(params), until: deadline)
            guard reply.result != nil else { throw FixtureError("\(method) \(params): \(reply.text.text)") }
        }
    }
}
