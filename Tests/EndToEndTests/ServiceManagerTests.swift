import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("The agent and its service manager")
struct ServiceManagerTests {
    @Test("the manager is told of start, state, reload and end, and the watchdog is fed")
    func notifications() async throws {
        try await withTemporaryDirectory { directory in
            let manager = try NotifyReceiver("\(directory)/notify")
            let variables = ["NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "40000"]
            try await withValkeyServer { server in
                let arguments = ["--valkey", "unix://\(server.socketPath)"]
                try await withDaemon(arguments: arguments, environment: variables) { daemon in
                    try await waitUntil("the agent is ready") { manager.count(of: "READY=1") == 1 }
                    try await waitUntil("the watchdog is fed") { manager.count(of: "WATCHDOG=1") > 5 }

                    try daemon.process.signal(SIGHUP)
                    try await waitUntil("the agent is ready again") { manager.count(of: "READY=1") == 2 }
                    let reload = try #require(manager.messages.first { $0.hasPrefix("RELOADING=1\n") })
                    let instant = reload.split(separator: "\n").first { $0.hasPrefix("MONOTONIC_USEC=") }
                    let microseconds = try #require(instant.flatMap { Int64($0.dropFirst(15)) })
                    #expect((1...Instant.now.nanoseconds / 1000).contains(microseconds))

                    server.kill()
                    try await waitUntil("the manager learns that Valkey is away", within: .seconds(20)) {
                        manager.receive().contains {
                            $0.hasPrefix("STATUS=serving, degraded: the cache and state store")
                        }
                    }
                    // A process that stands still feeds nothing, and goes on when it may.
                    try daemon.process.signal(SIGSTOP)
                    let state = try await stopped(daemon.process.processID)
                    #expect(state)
                    let before = manager.count(of: "WATCHDOG=1")
                    try await Task.sleep(for: .milliseconds(200))
                    #expect(manager.count(of: "WATCHDOG=1") == before)
                    try daemon.process.signal(SIGCONT)
                    try await waitUntil("the watchdog is fed again") { manager.count(of: "WATCHDOG=1") > before }
                    try await daemon.terminate()
                    #expect(manager.count(of: "STOPPING=1") == 1)
                    let end = try #require(manager.messages.first { $0.hasPrefix("STOPPING=1\n") })
                    #expect(end.contains("EXTEND_TIMEOUT_USEC="))
                }
            }
        }
    }

    @Test("the watchdog is not fed while the loop alone stands still, and is again once it goes on")
    func wedgedLoop() async throws {
        guard let strace = Executable.find("strace") else { try Test.cancel("strace is not installed") }
        try await withTemporaryDirectory { directory in
            let manager = try NotifyReceiver("\(directory)/notify")
            let variables = ["NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "100000", "SQUIRE_CORE_FILES": "true"]
            try await withDaemon(arguments: ["--valkey", "valkey://localhost:1"], environment: variables) { daemon in
                try await waitUntil("the watchdog is fed") { manager.count(of: "WATCHDOG=1") > 2 }
                let identifier = daemon.process.processID
                // Its next wait for events does not begin for a minute; threads beside the loop go on.
                let log = "\(directory)/strace.log"
                var command = ChildProcess.Command(executable: strace)
                command.arguments = ["-p", "\(identifier)", "-e", "trace=epoll_wait,epoll_pwait,epoll_pwait2"]
                command.arguments += ["-e", "inject=epoll_wait,epoll_pwait,epoll_pwait2:delay_enter=60s"]
                let tracer = try await LaunchedProcess.start(command, log: log)
                defer { try? tracer.signal(SIGKILL) }
                var before = 0
                var since = Instant.now
                // Fed every 50 ms while the loop turns, also between a stop for the attachment and the wait that lasts.
                try await waitUntil("the loop stands still, and nothing feeds the watchdog") {
                    guard try tracer.exitStatus == nil else { throw FixtureError(try File.text(log)) }
                    let stat = try File.text("/proc/\(identifier)/task/\(identifier)/stat")
                    let count = manager.count(of: "WATCHDOG=1")
                    if !stat.contains(") t ") || count != before { since = .now }
                    before = count
                    return Instant.now >= since.advanced(milliseconds: 500)
                }
                try tracer.signal(SIGKILL)
                try await waitUntil("the watchdog is fed again") { manager.count(of: "WATCHDOG=1") > before }
                try await daemon.terminate()
            }
        }
    }

    private func stopped(_ process: Int32) async throws -> Bool {
        try await waitUntil("the process stands still") {
            try File.text("/proc/\(process)/stat").contains(") T ")
        }
        return true
    }

    @Test("the watchdog of another process is not fed, and without a manager nothing is sent")
    func others() async throws {
        try await withTemporaryDirectory { directory in
            let manager = try NotifyReceiver("\(directory)/notify")
            let variables = ["NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"]
            try await withDaemon(arguments: ["--valkey", "valkey://localhost:1"], environment: variables) { daemon in
                try await waitUntil("the agent is ready") { manager.count(of: "READY=1") == 1 }
                try await daemon.terminate()
            }
            #expect(manager.count(of: "WATCHDOG=1") == 0)
            #expect(manager.count(of: "STOPPING=1") == 1)
        }
    }
}
