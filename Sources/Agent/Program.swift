import Audit
import Bytes
import Configuration
import Contract
import EventLoop
import Glibc
import Linux
import Observability
import Policy
import Sealing
import Sessions

/// `squired` as a function: reads the command line, then serves until it is told to end.
public enum Program {
    /// Runs the program.
    ///
    /// - Parameter words: The words behind the program's name, byte for byte.
    /// - Returns: The status to exit with: 0, or one of sysexits.h (64 usage, 69 unavailable, 78 configuration).
    public static func run(_ words: [[UInt8]]) -> Int32 {
        var arguments: [String] = []
        for (index, word) in words.enumerated() {
            guard let text = ProcessWords.text(word) else {
                return complain("word \(index + 1) of the command line is not UTF-8\n", ExitStatus.usage)
            }
            arguments.append(text)
        }
        let refused = ProcessWords.variablesThatAreNoText.filter { name in
            name.hasPrefix("SQUIRE_") || name == "CREDENTIALS_DIRECTORY" || DefaultPaths.variables.contains(name)
        }
        if let name = refused.first { return complain("the variable \(name) is not UTF-8\n", ExitStatus.usage) }
        if arguments.first == "--verify-audit" { return verifyAudit(arguments.dropFirst()) }
        let invocation: Invocation
        do throws(ConfigurationError) {
            invocation = try Configuration.load(arguments: arguments)
        } catch {
            return complain(error)
        }
        switch invocation {
        case .run(let configuration): return serve(configuration)
        case .checkConfig(let configuration): return check(configuration)
        case .printConfig(let text), .showHelp(let text): return say(text)
        case .showVersion: return say("squired \(OpenRPC.version)\n")
        }
    }

    private static func serve(_ configuration: Configuration) -> Int32 {
        let log = Log(level: configuration.log.level, format: configuration.log.format)
        SignalDescriptor.ignore(SIGPIPE)
        // Before the first thread, such as that of the audit file, which would be ended by them.
        SignalDescriptor.block(Agent.signalsRead)
        DescriptorLimit.raise()
        ProcessMemory.keepSpare()
        if !configuration.writesCoreFiles { ProcessMemory.makePrivate() }
        let policy: Policy
        do throws(PolicyFaults) {
            policy = try PolicyFile.read(configuration)
        } catch {
            return complain("\(error.description)\n", ExitStatus.configuration)
        }
        warnOfUserNamespace(log)
        let keys: SessionKeys
        do throws(KeyFault) {
            keys = try SessionKeys(configuration)
        } catch {
            log.error("the session keys cannot be used", ["reason": error.description])
            return ExitStatus.configuration
        }
        let writer: AuditWriter?
        do throws(AuditWriter.Fault) {
            writer = try AuditTrail.open(configuration, environment: .current, log: log)
        } catch {
            log.error("calls cannot be recorded", ["reason": error.description])
            return ExitStatus.unavailable
        }
        var status: Int32 = 0
        EventLoop.run {
            do throws(ListeningSocket.Fault) {
                let audit = AuditTrail(writer, configuration.audit)
                let agent = try Agent(configuration, keys: keys, policy: policy, audit: audit, log: log)
                running = agent
                Task { @EventLoop in await agent.start() }
            } catch {
                log.error("the socket cannot be served", ["reason": error.description])
                status = ExitStatus.unavailable
                EventLoop.stop()
            }
        }
        return EventLoop.assumeIsolated { running?.status ?? status }
    }

    /// `squired --verify-audit FILE… [key=FILE] [head=SEQUENCE:CODE]…`, which `rpc audit.verify` calls.
    private static func verifyAudit(_ words: ArraySlice<String>) -> Int32 {
        var files: [String] = []
        var heads: [AuditVerifier.Head] = []
        var key = DefaultPaths(environment: .current).stateDirectory.map { "\($0)/\(AuditTrail.keyName)" }
        for word in words {
            if word.hasPrefix("key=") {
                key = String(word.dropFirst(4))
            } else if word.hasPrefix("head="), let head = AuditVerifier.Head(String(word.dropFirst(5))) {
                heads.append(head)
            } else if word.hasPrefix("head=") {
                return complain(
                    "\(word): a head is a number, a colon and 64 hexadecimal digits\n",
                    ExitStatus.verifyUsage
                )
            } else if word.contains("=") {
                return complain(
                    "\(word): only key=FILE and head=SEQUENCE:CODE are known here\n",
                    ExitStatus.verifyUsage
                )
            } else {
                files.append(word)
            }
        }
        guard let key, !files.isEmpty else {
            return complain("--verify-audit FILE… key=FILE: files and the chain's first key\n", ExitStatus.verifyUsage)
        }
        do throws(AuditKey.Fault) {
            let report = try AuditVerification.run(files, keyPath: key, heads: heads)
            return report.isValid ? say("\(report.text)\n") : complain("\(report.text)\n", 1)
        } catch {
            return complain("\(error.description)\n", ExitStatus.verifyUsage)
        }
    }

    /// `--check-config`: looks at all that a start would take for a fault and that can be told without starting.
    private static func check(_ configuration: Configuration) -> Int32 {
        var faults: [String] = []
        do throws(PolicyFaults) {
            _ = try PolicyFile.read(configuration)
        } catch {
            faults.append(error.description)
        }
        do throws(KeyFault) {
            let credentials = ProcessEnvironment.current["CREDENTIALS_DIRECTORY"]
            _ = try KeyFiles.read(configuration.sessions.keyFiles, credentials: credentials)
        } catch {
            faults.append("sessions.key_files: \(error.description)")
        }
        let groups =
            [("socket.group", configuration.socket.group)]
            + configuration.sockets.map {
                ("sockets: \($0.name)", $0.group)
            }
        for (option, group) in groups {
            guard let group, UInt32(group) == nil, Accounts.groupID(group) == nil else { continue }
            faults.append("\(option): there is no group \(group)")
        }
        if let file = configuration.audit.file, !FileSystem.exists(Directory.parent(of: file)) {
            faults.append("audit.file: the directory \(Directory.parent(of: file)) is not there")
        }
        guard faults.isEmpty else { return complain(faults.joined(separator: "\n") + "\n", ExitStatus.configuration) }
        return say("the configuration is without fault\n")
    }

    /// In a user namespace that does not know every user, callers of several users look like one.
    private static func warnOfUserNamespace(_ log: Log) {
        guard UserNamespace.hidesUsers else { return }
        log.warning(
            "this process does not know every user of the host: callers it does not know are all uid 65534 and denied",
            ["reason": "/proc/self/uid_map maps a part of the ids only, as with PrivateUsers=yes"]
        )
    }

    /// The agent of this process, which lives as long as the loop runs.
    @EventLoop private static var running: Agent?

    private static func say(_ text: String) -> Int32 {
        (try? text.withByteView { try StandardStream.output.write($0) }) == nil ? 1 : 0
    }

    private static func complain(_ error: ConfigurationError) -> Int32 {
        let isUsage = if case .usage = error { true } else { false }
        let hint = isUsage ? "\nsquired --help tells how it is called\n" : "\n"
        return complain("\(error.description)\(hint)", isUsage ? ExitStatus.usage : ExitStatus.configuration)
    }

    private static func complain(_ text: String, _ status: Int32) -> Int32 {
        try? text.withByteView { try StandardStream.error.write($0) }
        return status
    }
}
