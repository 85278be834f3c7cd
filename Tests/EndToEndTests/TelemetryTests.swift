import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("Monitoring")
struct TelemetryTests {
    private static let openMetrics = "application/openmetrics-text;version=1.0.0"

    private func withMonitored<Result>(
        _ body: (RunningAgent, MetricsClient) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/metrics.sock"
            // An agent that ends waits for its calls as long as a test needs.
            // A file of records adds families of its own.
            let configuration = #"""
                {"telemetry": {"listen": "\#(path)"}, "audit": {"file": "\#(directory)/audit.log"},
                 "shutdown": {"grace_ms": 60000}}
                """#
            return try await withAgent(configuration: configuration) { agent in
                try await body(agent, MetricsClient(path: path))
            }
        }
    }

    /// Calls every group of methods, some of them wrongly.
    private func makeCalls(_ client: AgentClient) async throws {
        for key in 0..<10 {
            _ = try await client.result(of: "cache.set", #"["k\#(key)",1]"#)
            _ = try await client.result(of: "cache.get", #"["k\#(key)"]"#)
        }
        _ = try await client.error(of: "cache.get", #"{"namespace":"N o"}"#)
        _ = try await client.error(of: "no.such_method")
        let token = try #require(try await client.result(of: "session.create")["token"]?.string)
        _ = try await client.result(of: "session.get", #"["\#(token)"]"#)
        _ = try await client.result(of: "channel.publish", #"["c",1]"#)
    }

    @Test("goes on when as many connections as there may be end in one moment")
    func crowd() async throws {
        try await withMonitored { agent, monitor in
            #expect(try await monitor.get("/healthz").status == 200)
            var crowd: [AgentClient] = []
            for _ in 0..<16 {
                let client = try AgentClient(monitor.path)
                try await client.send(bytes: Array("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
                #expect(try await client.receive().contains("200"))
                crowd.append(client)
            }
            try agent.daemon.process.signal(SIGSTOP)
            crowd.removeAll()
            try agent.daemon.process.signal(SIGCONT)
            #expect(try await monitor.get("/healthz").status == 200)
        }
    }

    @Test("tells health, readiness and metrics, and nothing else")
    func paths() async throws {
        try await withMonitored { _, monitor in
            let health = try await monitor.get("/healthz")
            #expect(health.status == 200 && health.body == "ok\n")
            let ready = try await monitor.get("/readyz?verbose")
            #expect(ready.status == 200)
            #expect(try Document.parse(ready.body)["ready"] == true)
            #expect(ready.headers["content-type"] == "application/json")
            let metrics = try await monitor.get("/metrics")
            #expect(metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(metrics.headers["cache-control"] == "no-store")
            let open = try await monitor.get("/metrics", accept: Self.openMetrics)
            #expect(open.headers["content-type"]?.hasPrefix("application/openmetrics-text; version=1.0.0") == true)
            #expect(open.body.hasSuffix("# EOF\n") && !metrics.body.contains("EOF"))
            let head = try await monitor.get("/metrics", method: "HEAD")
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(try await monitor.get("/").status == 404)
            let post = try await monitor.get("/metrics", method: "POST")
            #expect(post.status == 405 && post.headers["allow"] == "GET, HEAD")
            // A web page elsewhere whose name leads here must not read this.
            #expect(try await monitor.get("/metrics", host: "example.com:9469").status == 403)
            #expect(try await monitor.get("/metrics", host: "127.0.0.1:9469").status == 200)
            #expect(try await monitor.get("/metrics", host: "[::1]:9469").status == 200)
        }
    }

    @Test("counts calls by method and outcome, in both forms alike")
    func calls() async throws {
        try await withMonitored { agent, monitor in
            try await makeCalls(try agent.connect())
            let metrics = try await monitor.metrics()
            let open = try Exposition(try await monitor.get("/metrics", accept: Self.openMetrics).body)
            #expect(metrics[#"squire_rpc_requests_total{method="cache.set",code="ok"}"#] == 10)
            #expect(metrics[#"squire_rpc_requests_total{method="cache.get",code="ok"}"#] == 10)
            #expect(metrics[#"squire_rpc_requests_total{method="cache.get",code="invalid_params"}"#] == 1)
            #expect(metrics[#"squire_rpc_requests_total{method="_other",code="method_not_found"}"#] == 1)
            #expect(metrics[#"squire_rpc_request_duration_seconds_count{method="cache.get"}"#] == 11)
            let sum = try #require(metrics[#"squire_rpc_request_duration_seconds_sum{method="cache.set"}"#])
            #expect(sum > 0)
            #expect(metrics[#"squire_session_events_total{event="created"}"#] == 1)
            #expect(metrics[#"squire_channel_messages_total{event="published"}"#] == 1)
            #expect(metrics[#"squire_store_up{store="state"}"#] == 1)
            #expect(metrics[#"squire_breaker_state{store="cache",state="closed"}"#] == 1)
            #expect(metrics["squire_ready"] == 1)
            #expect(metrics["squire_rpc_requests_in_flight"] == 0)
            let resident = try #require(metrics["process_resident_memory_bytes"])
            #expect(resident > 1_000_000)
            #expect(metrics.samples.keys == open.samples.keys)
        }
    }

    @Test("has as many series whatever clients call and name")
    func cardinality() async throws {
        try await withMonitored { agent, monitor in
            let client = try agent.connect()
            try await makeCalls(client)
            let before = try await monitor.metrics().samples.keys
            for number in 0..<200 {
                let name = "\"name\(number)\""
                _ = try await client.error(of: "method.number\(number)")
                _ = try await client.result(of: "cache.set", #"{"key":\#(name),"value":1,"namespace":\#(name)}"#)
                _ = try await client.result(of: "channel.publish", "[\(name),1]")
            }
            #expect(try await monitor.metrics().samples.keys == before)
        }
    }

    @Test("is what promtool takes, and has what the dashboard and the alerts ask for")
    func tools() async throws {
        try await withMonitored { agent, monitor in
            try await makeCalls(try agent.connect())
            let text = try await monitor.get("/metrics").body
            let names = try await monitor.metrics().names
            let files = ["dashboard.json", "alerts.yml", "alerts_test.yml"].map { "config/telemetry/\($0)" }
            for file in files {
                let asked = Self.metricNames(try File.text(file))
                #expect(asked.count > 5)
                #expect(asked.isSubset(of: names), "\(file): \(asked.subtracting(names))")
            }
            let dashboard = try Document.parse(try File.text(files[0]))
            let identifiers = dashboard["panels"]?.array?.compactMap { $0["id"]?.integer } ?? []
            #expect(identifiers.count > 20 && Set(identifiers).count == identifiers.count)
            guard let promtool = Executable.find("promtool") else { return }
            let check = try await run(promtool, ["check", "metrics"], input: Array(text.utf8))
            #expect(check.status == .exited(0), "\(check.standardOutput)\(check.standardError)")
            #expect(check.standardError.isEmpty, "\(check.standardError)")
            for arguments in [
                ["check", "rules", files[1]], ["test", "rules", files[2]],
                ["check", "config", "config/telemetry/prometheus.yml"],
            ] {
                let outcome = try await run(promtool, arguments)
                #expect(outcome.status == .exited(0), "\(outcome.standardOutput)\(outcome.standardError)")
            }
        }
    }

    @Test("tells what the reference lists, no more and no less")
    func reference() async throws {
        try await withMonitored { agent, monitor in
            try await makeCalls(try agent.connect())
            let listed = try File.text("docs/reference/metrics.md").split(separator: "\n").compactMap { line in
                line.hasPrefix("| `squire_") || line.hasPrefix("| `process_") ? line.split(separator: "`")[1] : nil
            }
            let families = try await monitor.metrics().families.keys
            #expect(Set(listed.map(String.init)) == Set(families))
            #expect(listed.count == families.count)
            let samples = try await monitor.metrics().samples.keys
            let besides = samples.count { !$0.contains("method=\"") }
            #expect(try File.text("docs/reference/metrics.md").contains("and \(besides) besides"))
        }
    }

    /// The agent's metrics that a text names.
    private static func metricNames(_ text: String) -> Set<String> {
        let words = text.split { !($0.isLetter && $0.isLowercase || $0.isNumber || $0 == "_") }
        return Set(words.filter { $0.hasPrefix("squire_") || $0.hasPrefix("process_") }.map(String.init))
    }

    @Test("is not ready while the agent ends, and answers to the end")
    func draining() async throws {
        try await withMonitored { agent, monitor in
            let client = try agent.connect()
            try agent.server.pause()
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"key":"k","fresh":true}}"#)
            try await waitUntil("the call runs") {
                try await monitor.metrics()["squire_rpc_requests_in_flight"] == 1
            }
            try agent.daemon.process.signal(SIGTERM)
            try await waitUntil("the agent is not ready") { try await monitor.get("/readyz").status == 503 }
            #expect(try await monitor.get("/healthz").status == 200)
            #expect(try await monitor.metrics()["squire_ready"] == 0)
            try agent.server.resume()
            try await waitUntil("the call is answered") {
                // A link that was silent for so long may be taken for dead.
                try await client.receive().contains(#""result":{"hit":false"#)
            }
            #expect(try await agent.daemon.process.end() == .exited(0))
            #expect(!File.exists(monitor.path))
        }
    }

    @Test("holds up nobody who calls, however slowly its own clients are")
    func slowClients() async throws {
        try await withMonitored { agent, monitor in
            let client = try agent.connect()
            let slow = try (0..<32).map { _ in try AgentClient(monitor.path) }
            for each in slow { try await each.send(bytes: Array("GET /metrics HTTP/1.1\r\nHost: lo".utf8)) }
            for _ in 0..<100 { _ = try await client.result(of: "cache.set", #"["k",1]"#) }
            #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == 1)
            // Those of the slow ones that were let in finish, and are answered.
            try await slow[0].send(bytes: Array("calhost\r\nConnection: close\r\n\r\n".utf8))
            #expect(try await slow[0].receiveToEnd().hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test("is off unless configured, and costs nothing then")
    func off() async throws {
        func libraries(_ agent: RunningAgent) throws -> Bool {
            try File.text("/proc/\(agent.daemon.process.processID)/maps").contains("libmicrohttpd")
        }
        let without = try await withAgent { agent in try libraries(agent) }
        let with = try await withMonitored { agent, _ in try libraries(agent) }
        #expect(!without && with)
    }

    @Test("listens on a port of this host, and an agent whose port is taken says so and ends")
    func port() async throws {
        let port = try LoopbackPort.free()
        let configuration = #"{"telemetry": {"listen": "127.0.0.1:\#(port)"}}"#
        try await withAgent(configuration: configuration) { agent in
            try await withTemporaryDirectory { directory in
                try File.write(configuration, to: "\(directory)/squire.json")
                let outcome = try await run(
                    try Product.path("squired"),
                    [
                        "--config", "\(directory)/squire.json", "--socket", "\(directory)/s.sock", "--state-dir",
                        directory, "--valkey", "unix://\(agent.server.socketPath)",
                    ]
                )
                #expect(outcome.status == .exited(69))
                #expect(outcome.standardError.contains("metrics cannot be served"), "\(outcome.standardError)")
                #expect(outcome.standardError.contains("127.0.0.1:\(port)"), "\(outcome.standardError)")
            }
            #expect(try await agent.connect().result(of: "agent.ping") == ["pong": true])
        }
    }
}
