import Linux
import RPCClient
import TestSupport
import Testing

/// What passes to Valkey while the circuit breaker is open, and what is told of it.
struct BreakerTests {
    /// How Valkey goes away without a word.
    enum Silence: CaseIterable, Sendable {
        /// All that passes to and from it disappears.
        case blackHole
        /// Its process stands still.
        case stop
    }

    /// An agent whose two stores are reached through a proxy each, and the servers behind.
    struct Rig: Sendable {
        let daemon: Daemon
        let events: BreakerEvents
        let cache: (server: ValkeyServer, proxy: FaultProxy)
        let state: (server: ValkeyServer, proxy: FaultProxy)

        /// Sends one line of a method's call and returns the reply.
        func call(_ method: String, _ params: String = "{}") async throws -> String {
            try await daemon.exchange(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#)
        }

        /// The state of a store's breaker, as `agent.breaker` tells it.
        func breaker(_ store: String = "cache") async throws -> String? {
            let reply = try await call("agent.breaker", #"{"store":"\#(store)"}"#)
            return JSONFragment(reply)?["result"]?["state"]?.string
        }

        func becomeClosed(_ store: String = "cache") async throws {
            try await waitUntil("the breaker of the \(store) store closes", within: .seconds(40)) {
                try await breaker(store) == "closed" && events.states(of: store).last == "closed"
            }
        }

        /// The probes among what the cache's proxy recorded.
        var pings: Int { cache.proxy.commands.count { $0.name == "PING" } }

        /// Whether a command of the wave `name` passed the cache's proxy.
        func passed(_ name: String) -> Bool {
            cache.proxy.commands.contains { $0.words.contains { $0.contains("\(name):") } }
        }

        func begin(_ silence: Silence) throws {
            switch silence {
            case .blackHole: cache.proxy.faults = .blackHole
            case .stop: try cache.server.pause()
            }
        }

        func end(_ silence: Silence) throws {
            switch silence {
            case .blackHole: cache.proxy.faults = .none
            case .stop: try cache.server.resume()
            }
        }
    }

    static func withRig<Result>(_ body: (Rig) async throws -> Result) async throws -> Result {
        try await Machine.alone {
            try await withValkeyServer { cache in
                try await withFaultProxy(to: .unix(cache.socketPath), isRecording: true) { toCache in
                    try await withValkeyServer { state in
                        try await withFaultProxy(to: .unix(state.socketPath), isRecording: true) { toState in
                            // The connection that brings the news of changes has a PING of its own.
                            try await withDaemon(
                                arguments: ["--valkey", toCache.address.url, "--state", toState.address.url],
                                environment: ["SQUIRE_VALKEY_CONNECTIONS": "2", "SQUIRE_CACHE_NEAR_BYTES": "0"]
                            ) { daemon in
                                let rig = Rig(
                                    daemon: daemon,
                                    events: try await BreakerEvents(of: daemon),
                                    cache: (cache, toCache),
                                    state: (state, toState)
                                )
                                let warm = try await CallerWave(name: "warm").run(on: daemon)
                                #expect(warm == ["result": 1000])
                                return try await body(rig)
                            }
                        }
                    }
                }
            }
        }
    }

    /// Lets Valkey fall silent under 1000 callers, and has 1000 more call at a time until so many probes have begun.
    ///
    /// - Returns: From the silence to the opening.
    static func silence(_ silence: Silence, probes: Int) async throws -> Duration {
        try await withRig { rig in
            rig.cache.proxy.forgetCommands()
            try rig.begin(silence)
            let begun = Instant.now
            let first = try await CallerWave(name: "first", deadline: .milliseconds(300)).run(on: rig.daemon)
            #expect(first["result"] == nil)
            #expect(first.values.reduce(0, +) == 1000)
            try await waitUntil("the breaker opens") { !rig.events.states().isEmpty }
            let opening = Duration.nanoseconds(Instant.now.nanoseconds(since: begun))
            var waves = 0
            while rig.events.probes < probes {
                waves += 1
                let endings = try await CallerWave(name: "later\(waves)").run(on: rig.daemon)
                #expect(endings == CallerWave.turnedAway())
                // The PING may pass before the word that it was sent; it never passes beside another.
                let pings = rig.pings
                #expect(pings <= rig.events.probes + 1)
            }
            try await waitUntil("every probe that was told of passed, and no other", within: .seconds(40)) {
                let before = rig.events.probes
                let pings = rig.pings
                return pings == before && rig.events.probes == before
            }
            for wave in 1...max(waves, 1) { #expect(!rig.passed("later\(wave)")) }
            try rig.end(silence)
            try await rig.becomeClosed()
            let states = rig.events.states()
            #expect(BreakerEvents.isInOrder(states), "\(states)")
            for wave in 1...max(waves, 1) { #expect(!rig.passed("later\(wave)")) }
            #expect(try await CallerWave(name: "after").run(on: rig.daemon) == ["result": 1000])
            Figures.show(
                "BreakerTests, \(silence): open after \(opening.wholeMilliseconds) ms, \(rig.events.probes) probes, "
                    + "\(waves) waves of 1000 callers turned away"
            )
            return opening
        }
    }

    @Test("with 1000 callers one probe at a time and no call passes to a silent Valkey", arguments: Silence.allCases)
    func silent(_ silence: Silence) async throws {
        _ = try await Self.silence(silence, probes: 2)
    }

    @Test("a refused connection opens the breaker without a call that failed")
    func refusal() async throws {
        try await Self.withRig { rig in
            rig.cache.proxy.faults = .refusal
            rig.cache.proxy.resetConnections()
            try await waitUntil("the breaker opens") { rig.events.states().first == "open" }
            let reply = JSONFragment(try await rig.call("agent.breaker"))?["result"]
            #expect(reply?["failures"]?.integer == 0)
            #expect(try await CallerWave(name: "refused").run(on: rig.daemon) == CallerWave.turnedAway())
            rig.cache.proxy.faults = .none
            try await rig.becomeClosed()
            #expect(BreakerEvents.isInOrder(rig.events.states()), "\(rig.events.states())")
            #expect(!rig.passed("refused"))
            #expect(rig.events.states(of: "state").isEmpty)
        }
    }

    @Test("opened by hand it lets nothing pass, and handed back it probes once and closes")
    func byHand() async throws {
        try await Self.withRig { rig in
            _ = try await rig.call("agent.breaker", #"{"action":"open"}"#)
            rig.cache.proxy.forgetCommands()
            #expect(try await CallerWave(name: "forced").run(on: rig.daemon) == CallerWave.turnedAway())
            #expect(rig.cache.proxy.commands.isEmpty)
            #expect(try await rig.breaker() == "open")
            _ = try await rig.call("agent.breaker", #"{"action":"auto"}"#)
            try await rig.becomeClosed()
            #expect(rig.events.states() == ["open", "half_open", "closed"])
            #expect(rig.cache.proxy.commands.map(\.name) == ["PING"])
            #expect(try await CallerWave(name: "freed").run(on: rig.daemon) == ["result": 1000])
        }
    }

    @Test("the stores fail apart", arguments: ["cache", "state"])
    func apart(_ store: String) async throws {
        try await Self.withRig { rig in
            let other = store == "cache" ? "state" : "cache"
            let proxy = store == "cache" ? rig.cache.proxy : rig.state.proxy
            proxy.faults = .refusal
            proxy.resetConnections()
            try await waitUntil("the breaker opens") { rig.events.states(of: store).first == "open" }
            let endings = try await CallerWave(name: "meanwhile").run(on: rig.daemon)
            #expect(endings == (store == "cache" ? CallerWave.turnedAway() : ["result": 1000]))
            #expect(try await rig.breaker(store) != "closed")
            #expect(try await rig.breaker(other) == "closed")
            let stores = JSONFragment(try await rig.call("agent.health"))?["result"]?["stores"]
            #expect(stores?[store]?["connected"]?.text == "false")
            #expect(stores?[other]?["connected"]?.text == "true")
            proxy.faults = .none
            try await rig.becomeClosed(store)
            #expect(rig.events.states(of: other).isEmpty)
        }
    }
}
