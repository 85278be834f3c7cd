import Bytes
import Configuration
import Contract
import EventLoop
import Glibc
import Linux
import Observability
import Sessions

/// `squired` as a function: reads the command line, then serves until it is told to end.
public enum Program {
    /// Runs the program.
    ///
    /// - Parameter arguments: The words behind the program's name.
    /// - Returns: The status to exit with: 0, or one of sysexits.h (64 usage, 69 unavailable, 78 configuration).
    public static func run(_ arguments: [String]) -> Int32 {
        let invocation: Invocation
        do throws(ConfigurationError) {
            invocation = try Configuration.load(arguments: arguments)
        } catch {
            return complain(error)
        }
        switch invocation {
        case .run(let configuration): return serve(configuration)
        case .checkConfig: return say("the configuration is without fault\n")
        case .printConfig(let text), .showHelp(let text): return say(text)
        case .showVersion: return say("squired \(OpenRPC.version)\n")
        }
    }

    private static func serve(_ configuration: Configuration) -> Int32 {
        let log = Log(level: configuration.log.level, format: configuration.log.format)
        SignalDescriptor.ignore(SIGPIPE)
        DescriptorLimit.raise()
        ProcessMemory.keepSpare()
        if !configuration.writesCoreFiles { ProcessMemory.makePrivate() }
        let keys: SessionKeys
        do throws(KeyFault) {
            keys = try SessionKeys(configuration)
        } catch {
            log.error("the session keys cannot be used", ["reason": error.description])
            return ExitStatus.configuration
        }
        var status: Int32 = 0
        EventLoop.run {
            do throws(ListeningSocket.Fault) {
                let agent = try Agent(configuration, keys: keys, log: log)
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

    /// The agent of this process, which lives as long as the loop runs.
    @EventLoop private static var running: Agent?

    private static func say(_ text: String) -> Int32 {
        (try? text.withByteView { try StandardStream.output.write($0) }) == nil ? 1 : 0
    }

    private static func complain(_ error: ConfigurationError) -> Int32 {
        let isUsage = if case .usage = error { true } else { false }
        let hint = isUsage ? "\nsquired --help tells how it is called\n" : "\n"
        try? "\(error.description)\(hint)".withByteView { try StandardStream.error.write($0) }
        return isUsage ? ExitStatus.usage : ExitStatus.configuration
    }
}
