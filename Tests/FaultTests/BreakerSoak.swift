import Glibc
import Linux
import TestSupport
import Testing

/// The long form of ``BreakerTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct BreakerSoak {
    @Test("a silent Valkey opens the breaker within one window", arguments: BreakerTests.Silence.allCases)
    func silent(_ silence: BreakerTests.Silence) async throws {
        #expect(try await BreakerTests.silence(silence, probes: 8) <= .seconds(10))
    }

    @Test("while the breaker is open the agent makes no system call towards Valkey")
    func systemCalls() async throws {
        guard let strace = Executable.find("strace") else {
            return Figures.show("BreakerSoak: strace is not installed, system calls are not looked at")
        }
        try await BreakerTests.withRig { rig in
            guard case .loopback(let port) = rig.cache.proxy.address else { return }
            let trace = "\(rig.cache.server.directory)/trace"
            var command = ChildProcess.Command(executable: strace)
            command.arguments = ["-f", "-yy", "-o", trace, "-p", "\(rig.daemon.process.processID)"]
            let log = "\(rig.cache.server.directory)/strace"
            let process = try await LaunchedProcess.start(command, log: log)
            try await waitUntil("strace has the agent") { ((try? File.text(log)) ?? "").contains("attached") }
            let towards = { ((try? File.text(trace)) ?? "").split(separator: "\n").count { $0.contains(":\(port)]") } }
            #expect(try await CallerWave(name: "traced").run(on: rig.daemon) == ["result": 1000])
            try await waitUntil("the trace shows the calls") { towards() > 0 }
            _ = try await rig.call("agent.breaker", #"{"action":"open"}"#)
            // What the trace shows of an answered call stands before all that follows it.
            let before = towards()
            for wave in 0..<10 {
                let endings = try await CallerWave(name: "open\(wave)").run(on: rig.daemon)
                #expect(endings == CallerWave.turnedAway())
            }
            try process.signal(SIGINT)
            try await process.end()
            #expect(towards() == before)
            let all = try File.text(trace).split(separator: "\n").count
            Figures.show("BreakerSoak: \(all) system calls, \(towards() - before) towards Valkey for 10000 rejections")
        }
    }
}
