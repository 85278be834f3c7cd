import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("An agent on a socket of the service manager")
struct ActivationTests {
    @Test("serves the socket that it inherits, waits for nobody to make one, and leaves its file behind")
    func inherited() async throws {
        try await withTemporaryDirectory { directory in
            try await withValkeyServer { server in
                let agent = try ActivatedAgent(directory, arguments: ["--valkey", "unix://\(server.socketPath)"])
                defer { agent.kill() }
                // Who connects before the agent runs waits for it.
                let early = try AgentClient(agent.socketPath)
                try await early.send(#"{"jsonrpc":"2.0","id":1,"method":"agent.ping"}"#)
                try await agent.start()
                #expect(try await early.receive() == #"{"jsonrpc":"2.0","id":1,"result":{"pong":true}}"#)
                #expect(!File.exists("\(directory)/own.sock"))
                try await agent.stop()
                #expect(File.exists(agent.socketPath))
                #expect(agent.log.contains("socket=\(agent.socketPath)"), "\(agent.log)")
            }
        }
    }

    @Test("does not begin with a descriptor that is no listening socket")
    func unusable() async throws {
        try await withTemporaryDirectory { directory in
            let file = try FileDescriptor.open("/dev/null", flags: O_RDONLY)
            var command = ChildProcess.Command(executable: try Product.path("LinuxTestProgram"))
            let program = ["activate", "\(file.number)", "main", try Product.path("squired")]
            command.arguments = program + ["--socket", "\(directory)/s", "--valkey", "valkey://localhost:1"]
            command.environment = variables([:])
            command.inheritedDescriptors = [file.number]
            let process = try await LaunchedProcess.start(command, log: "\(directory)/log")
            #expect(try await process.end() == .exited(69))
            #expect(try File.text("\(directory)/log").contains("descriptor 3"))
        }
    }

    @Test("restarted under load, it refuses no connection and loses no call that it acknowledged")
    func restarts() async throws {
        try await restartUnderLoad(4)
    }
}
