package import JSONRPC
import Linux
package import Observability
package import Store
package import Valkey

/// Everything that can be set about an agent, as it holds after file, environment and flags were read.
///
/// Every member has its option in ``Option/all``, whose name in the file is that of the member in snake case.
package struct Configuration: Sendable {
    /// The socket on which clients are served.
    package var socket: Socket
    /// Absolute path of the directory of what is kept over restarts; nil only where a Valkey is configured.
    package var stateDirectory: String?
    /// What is logged, and how.
    package var log = Log()
    /// The Valkey servers that are used, where they are not the agent's own.
    package var valkey = Valkey()
    /// The servers that the agent starts itself, where no other is configured.
    package var embedded = Embedded()
    /// Lives of cache entries.
    package var cache = Cache()
    /// Bounds on what clients may ask and hold.
    package var limits = Limits()
    /// The end of the agent.
    package var shutdown = Shutdown()

    /// Path of the configuration file that was read; nil where there was none.
    package internal(set) var file: String?
    /// Where each option that is not at its default comes from, by name.
    var origins: [String: Origin] = [:]
    /// What the configuration was read from, to be read again.
    let sources: Sources

    /// The defaults, for an agent whose paths are those of `sources`.
    init(defaultsFor sources: Sources) {
        self.sources = sources
        let paths = DefaultPaths(environment: sources.environment, userID: sources.userID)
        socket = Socket(path: paths.socket, mode: sources.userID == 0 ? 0o660 : 0o600)
        stateDirectory = paths.stateDirectory
    }

    /// Reads and checks the configuration.
    ///
    /// - Throws: ``ConfigurationError/faults(_:)`` with every fault.
    init(reading sources: Sources) throws(ConfigurationError) {
        var reader = ConfigurationReader(sources)
        reader.read()
        guard reader.faults.isEmpty else { throw .faults(reader.faults) }
        self = reader.configuration
    }

    /// What holds on every host where nothing is configured; what depends on the host is of no host.
    static let standard = Configuration(
        defaultsFor: Sources(flags: CommandLineFlags(), environment: ProcessEnvironment([:]), userID: 1000)
    )
}

extension Configuration {
    /// The socket on which clients are served.
    package struct Socket: Equatable, Sendable {
        /// Absolute path, short enough for the kernel.
        package var path: String
        /// Permissions of the socket's file; never for others to write.
        package var mode: UInt32
    }

    /// What is logged, and how.
    package struct Log: Equatable, Sendable {
        /// Least grave level that is written.
        package var level = Observability.Log.Level.info
        /// How records are written.
        package var format = Observability.Log.Format.text
    }

    /// The Valkey servers that are used.
    package struct Valkey: Equatable, Sendable {
        /// Where the cache store is; nil, like ``stateURL``, for the embedded servers.
        package var cacheURL: StoreURL?
        /// Where the state store is; the same as ``cacheURL`` where only one was given.
        package var stateURL: StoreURL?
        /// What every key begins with, at most 256 bytes.
        package var prefix = ""
        /// Data connections a store, at least 1.
        package var connections = 2
        /// Longest time from the beginning of a connection attempt to a server that is ready.
        package var connectTimeout = Duration.seconds(2)

        /// The servers of both roles, where others than the embedded ones are configured.
        package var endpoints: (cache: Endpoint, state: Endpoint)? {
            guard let cacheURL, let stateURL else { return nil }
            return (cacheURL.endpoint, stateURL.endpoint)
        }
    }

    /// The servers that the agent starts itself.
    package struct Embedded: Equatable, Sendable {
        /// Name or path of the server's program; nil for Valkey's or else Redis' own.
        package var executable: String?
        /// Size at which the cache store begins to forget, as Valkey reads it, such as `256mb`.
        package var cacheMaxMemory = "256mb"
        /// What the cache store forgets first (`maxmemory-policy`), as Valkey names it.
        package var cacheMaxMemoryPolicy = "allkeys-lru"
        /// When the state store's log reaches the disk (`appendfsync`): `everysec` or `always`.
        package var stateAppendFsync = "everysec"
    }

    /// Lives of cache entries.
    package struct Cache: Equatable, Sendable {
        /// Life of an entry whose writer and namespace name none; nil for no end.
        package var life: Duration? = .seconds(300)
        /// Lives by namespace, instead of ``life``; nil for no end.
        package var namespaceLives: [String: Duration?] = [
            "response": .seconds(3600), "session": .seconds(86_400), "context": .seconds(1800),
            "metadata": .seconds(300),
        ]

        /// The life of entries in a namespace; nil for no end.
        subscript(lifeIn namespace: String) -> Duration? {
            get { namespaceLives[namespace] ?? life }
            set { namespaceLives.updateValue(newValue, forKey: namespace) }
        }

        /// The same as the store's features take it.
        package var namespaces: Namespaces {
            Namespaces(
                namespaceLives.mapValues { NamespaceSettings(defaultLifeMilliseconds: $0?.milliseconds) },
                fallback: NamespaceSettings(defaultLifeMilliseconds: life?.milliseconds)
            )
        }
    }

    /// Bounds on what clients may ask and hold.
    package struct Limits: Sendable {
        /// Bounds on one client connection.
        package var connection = RPCLimits()
        /// Most client connections at once.
        package var connectionsMax = 10_000
        /// Longest key that a client may name, in bytes.
        package var keyBytesMax = 1024
        /// Bound on a call that names none.
        package var deadline = Duration.seconds(5)
        /// Bound on a call over many keys that names none.
        package var sweepDeadline = Duration.seconds(60)
        /// Most commands of a connection to Valkey that wait for a reply or to be sent.
        package var commandsMax = 65_536
        /// Most bytes of these commands.
        package var queuedBytesMax = 64 << 20
    }

    /// The end of the agent.
    package struct Shutdown: Equatable, Sendable {
        /// How long running calls may take to end.
        package var grace = Duration.seconds(10)
    }
}

extension Configuration {
    /// How the link to a store at `endpoint` behaves.
    package func link(to endpoint: Endpoint) -> LinkConfiguration {
        var link = LinkConfiguration(endpoint: endpoint)
        link.connections = valkey.connections
        link.connectTimeout = valkey.connectTimeout
        link.commandsMax = limits.commandsMax
        link.queuedBytesMax = limits.queuedBytesMax
        // Short strings take twice as much in Valkey's protocol as in a reply.
        link.replyBytesMax = max(link.replyBytesMax, 2 * limits.connection.replyBytesMax)
        return link
    }
}

extension Duration {
    /// Whole milliseconds; lives and deadlines are configured in them.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
