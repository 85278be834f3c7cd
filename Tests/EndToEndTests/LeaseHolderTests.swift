import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("A lease and whoever holds it")
struct LeaseHolderTests {
    /// Starts a process that holds the lock `n` until it is ended.
    private func startHolder(_ agent: RunningAgent, _ log: String) async throws -> LaunchedProcess {
        var command = ChildProcess.Command(executable: try Product.path("rpc"))
        command.arguments = ["--socket", agent.daemon.socketPath, "lock.exec", "name=n", "--", "sleep", "1000"]
        let process = try await LaunchedProcess.start(command, log: log)
        try await waitUntil("the process holds the lock") {
            try await agent.lease().result("lock.inspect", ["name": "n"])["locked"] == true
        }
        return process
    }

    @Test("Whoever waits has it when the holder was killed, long before its life is over", arguments: 0..<3)
    func killed(round: Int) async throws {
        try await withTemporaryDirectory { directory in
            try await withTwoAgents { first, second in
                let holder = try await startHolder(first, "\(directory)/log")
                // Shorter than the life of 30 s.
                let waiter = try second.lease(limit: .seconds(25))
                let call = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
                try await waitUntil("somebody waits") { try await second.leases("waiting") == 1 }
                try holder.signal(SIGKILL)
                #expect(try await waiter.result(of: call)["acquired"] == true)
                #expect(try await first.leases("released_after_end") == 1)
                // Nobody is left who could have lost anything.
                #expect(try await first.leases("lost") == 0)
            }
        }
    }

    @Test("A child that holds the socket of a process that has ended does not hold its lock")
    func forkedChild() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let script = "Tests/EndToEndTests/Clients/forking_holder.py"
                guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
                let holder = try await LaunchedProcess.start(
                    ChildProcess.Command(executable: python, arguments: [script, agent.daemon.socketPath]),
                    log: "\(directory)/log",
                    output: "\(directory)/output"
                )
                let waiter = try agent.lease(limit: .seconds(25))
                try await waitUntil("the parent holds the lock") {
                    try File.text("\(directory)/output").contains("held")
                }
                let call = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
                try await waitUntil("somebody waits") { try await agent.leases("waiting") == 1 }
                try holder.signal(SIGKILL)
                #expect(try await waiter.result(of: call)["acquired"] == true)
                let child = try #require(Int32(try File.text("\(directory)/output").split(separator: " ")[1]))
                // The child is there still, and its connection too, which was told.
                try await waitUntil("the child is told") {
                    try File.text("\(directory)/output").contains("process_ended")
                }
                #expect(try await agent.leases("lost") == 1)
                #expect(kill(child, 0) == 0)
                #expect(kill(child, SIGKILL) == 0)
            }
        }
    }

    @Test("A half-closed connection keeps its lock; a closed one does not")
    func halfClose() async throws {
        try await withAgent { agent in
            let other = try agent.lease(limit: .seconds(25))
            do {
                let holder = try agent.lease()
                _ = try await holder.result("lock.acquire", ["name": "n"])
                holder.finishSending()
                #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 200])["acquired"] == false)
            }
            #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 25_000])["acquired"] == true)
        }
    }

    @Test("Whoever dies while waiting leaves the queue at once")
    func deadWaiters() async throws {
        try await withTwoAgents { first, second in
            let holder = try first.lease()
            let held = try await holder.result("lock.acquire", ["name": "n"])
            var dying: [LeaseClient] = []
            for index in 0..<20 {
                let client = try (index % 2 == 0 ? first : second).lease()
                _ = try await client.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])
                dying.append(client)
            }
            let last = try second.lease(limit: .seconds(25))
            try await waitUntil("all wait") { try await waiters(first) == 20 }
            let call = try await last.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
            try await waitUntil("the last waits") { try await waiters(first) == 21 }
            dying.removeAll()
            try await waitUntil("only the last waits") { try await waiters(first) == 1 }
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            #expect(try await last.result(of: call)["acquired"] == true)
        }
    }

    @Test("An agent that stands still holds others up for as long as it has to take what it was granted, and no longer")
    func stoppedAgent() async throws {
        try await withTwoAgents { first, second in
            let (holder, dead) = (try first.lease(), try second.lease())
            let held = try await holder.result("lock.acquire", ["name": "n"])
            _ = try await dead.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])
            try await waitUntil("one waits") { try await waiters(first) == 1 }
            let client = try first.lease()
            let call = try await client.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])
            try await waitUntil("both wait") { try await waiters(first) == 2 }
            try second.daemon.process.signal(SIGSTOP)
            // It runs out after less than four seconds, and two are promised.
            _ = try await client.result("lock.acquire", ["name": "clock", "ttl_ms": 4000, "bind": "none"])
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            #expect(try await client.result(of: call)["acquired"] == true)
            #expect(try client.takePushes().isEmpty)
            try second.daemon.process.signal(SIGCONT)
            withExtendedLifetime(dead) {}
        }
    }

    private func waiters(_ agent: RunningAgent) async throws -> Int {
        try await agent.lease().result("lock.inspect", ["name": "n"])["waiters"]?.array?.count ?? -1
    }

    @Test("Half of a hundred waiters die; the others have it in their order")
    func hundred() async throws {
        try await withTwoAgents { first, second in
            let holder = try first.lease()
            let held = try await holder.result("lock.acquire", ["name": "n"])
            var clients: [LeaseClient?] = []
            var calls: [Int64] = []
            for index in 0..<100 {
                let client = try (index % 3 == 0 ? first : second).lease()
                calls.append(try await client.begin("lock.acquire", ["name": "n", "wait_ms": 60_000]))
                clients.append(client)
                try await waitUntil("\(index) waits") {
                    try first.server.command("ZCARD", "lock-queue:{n}") == .integer(Int64(index + 1))
                }
            }
            for index in clients.indices where index % 2 == 1 { clients[index] = nil }
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            var fence = held["fence"]?.integer ?? 0
            for (client, call) in zip(clients, calls) {
                guard let client else { continue }
                let result = try await client.result(of: call)
                #expect(result["acquired"] == true)
                let next = result["fence"]?.integer ?? 0
                #expect(next > fence)
                fence = next
                _ = try await client.result("lock.release", ["lease": result["lease"] ?? .null])
            }
        }
    }

    @Test("A client keeps its lease over the restart of its agent")
    func restart() async throws {
        try await withValkeyServer { server in
            let store = ["--valkey", "unix://\(server.socketPath)"]
            let held = try await withDaemon(arguments: store) { daemon in
                let agent = RunningAgent(daemon: daemon, server: server)
                try await agent.becomeConnected()
                let client = try agent.lease()
                let held = try await client.result("lock.acquire", ["name": "n", "label": "x"])
                try await daemon.terminate()
                return held
            }
            try await withDaemon(arguments: store) { daemon in
                let agent = RunningAgent(daemon: daemon, server: server)
                try await agent.becomeConnected()
                let other = try agent.lease(limit: .seconds(25))
                do {
                    let client = try agent.lease()
                    #expect(try await other.result("lock.acquire", ["name": "n"])["holder"]?["label"] == "x")
                    let lease = held["lease"] ?? .null
                    let left = try await client.result("lock.renew", ["lease": lease])["ttl_ms"]?.integer ?? 0
                    // What can be relied on: a twentieth is the margin.
                    #expect(20_000 < left && left <= 28_500)
                    let state = try await client.result("lock.inspect", ["name": "n"])
                    #expect(state["holders"]?.array?.first?["fence"] == held["fence"])
                }
                // It was bound to the connection that renewed it.
                #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 25_000])["acquired"] == true)
            }
        }
    }

    @Test("The holder is told when Valkey cannot be reached for a renewal, and when it has forgotten the lease")
    func loss() async throws {
        try await withAgent { agent in
            let client = try agent.lease()
            let held = try await client.result("lock.acquire", ["name": "n", "ttl_ms": 1000])
            try agent.server.pause()
            let lost = try await client.push("lock.lost")
            #expect(lost["reason"] == "unreachable")
            #expect(lost["lease"] == held["lease"])
            try agent.server.resume()
            try await agent.becomeConnected()
            var again: Document = [:]
            try await waitUntil("the lock can be had again") {
                again = try await client.result("lock.acquire", ["name": "m", "ttl_ms": 1000])
                return again["acquired"] == true
            }
            try agent.server.command("FLUSHALL")
            #expect(try await client.push("lock.lost")["reason"] == "gone")
        }
    }

    @Test("An unbound lease runs out where its client does not renew it, and one without word of the client too")
    func runsOut() async throws {
        try await withAgent { agent in
            let (client, other) = (try agent.lease(), try agent.lease())
            let unbound: Document = ["name": "n", "ttl_ms": 2000, "bind": "none"]
            _ = try await client.result("lock.acquire", unbound)
            #expect(try await client.push("lock.lost")["reason"] == "expired")
            #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 25_000])["acquired"] == true)
            let bounded: Document = ["name": "m", "ttl_ms": 2000, "max_hold_ms": 2500]
            _ = try await client.result("lock.acquire", bounded)
            #expect(try await client.push("lock.lost")["reason"] == "held_too_long")
            #expect(try await other.result("lock.acquire", ["name": "m", "wait_ms": 25_000])["acquired"] == true)
        }
    }

    @Test("A lease is nobody else's: another user's, a guessed one, one of another kind")
    func ownership() async throws {
        try await withAgent { agent in
            let (client, other) = (try agent.lease(), try agent.lease())
            let held = try await client.result("lock.acquire", ["name": "n"])
            let lease = try #require(held["lease"]?.string)
            var guessed = Array(lease)
            guessed[0] = guessed[0] == "0" ? "1" : "0"
            let wrong: Document = ["lease": .string(String(guessed))]
            #expect(try await other.result("lock.release", wrong) == ["released": false])
            #expect(try await other.error("lock.renew", wrong)["kind"] == "lease_lost")
            #expect(try await other.result("semaphore.release", ["lease": .string(lease)]) == ["released": false])
            // As if another user had acquired it.
            let field = "h:\(lease.prefix(32))"
            let key = "lock:{n}"
            guard case .bulk(let bytes) = try agent.server.command("HGET", key, field) else {
                throw FixtureError("there is no record")
            }
            var words = String(decoding: bytes, as: UTF8.self).split(separator: " ", maxSplits: 7).map(String.init)
            words[6] = "4242"
            try agent.server.command("HSET", key, field, words.joined(separator: " "))
            #expect(try await other.result("lock.release", ["lease": .string(lease)]) == ["released": false])
            #expect(try await other.error("lock.renew", ["lease": .string(lease)])["kind"] == "lease_lost")
            #expect(try await other.result("lock.inspect", ["name": "n"])["locked"] == true)
        }
    }
}
