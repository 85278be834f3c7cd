public import JSONRPC
import Linux
public import Observability
public import Valkey

/// Everything that can be set about an agent, as it holds after file, environment and flags were read.
///
/// Every member has its option in ``Option/all``, whose name in the file is that of the member in snake case.
public struct Configuration: Sendable {
    /// The socket on which clients are served.
    public var socket: Socket
    /// Further sockets, each with a name and a path of its own.
    public var sockets: [TenantSocket] = []
    /// Who may call what.
    public var policy = Policy()
    /// What is recorded of who did what.
    public var audit = Audit()
    /// Absolute path of the directory of what is kept over restarts; nil only where a Valkey is configured.
    public var stateDirectory: String?
    /// Whether the kernel may write the agent's memory to a core file, sessions and tokens in use included.
    public var writesCoreFiles = false
    /// What is logged, and how.
    public var log = Log()
    /// What the agent tells monitoring.
    public var telemetry = Telemetry()
    /// The Valkey servers that are used, where they are not the agent's own.
    public var valkey = Valkey()
    /// The servers that the agent starts itself, where no other is configured.
    public var embedded = Embedded()
    /// How cache entries behave.
    public var cache = Cache()
    /// Keys and bounds of sessions.
    public var sessions = Sessions()
    /// Bounds on channels.
    public var channels = Channels()
    /// Bounds on topics.
    public var topics = Topics()
    /// Bounds on what clients may ask and hold.
    public var limits = Limits()
    /// The end of the agent.
    public var shutdown = Shutdown()

    /// Path of the configuration file that was read; nil where there was none.
    public internal(set) var file: String?
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
    public struct Socket: Equatable, Sendable {
        /// Absolute path, short enough for the kernel.
        public var path: String
        /// Permissions of the socket's file; never for others to write.
        public var mode: UInt32
        /// Name or number of the group of the socket's file; nil for the agent's own.
        public var group: String?
    }

    /// What is logged, and how.
    public struct Log: Equatable, Sendable {
        /// Least grave level that is written.
        public var level = Observability.Log.Level.info
        /// How records are written.
        public var format = Observability.Log.Format.automatic
        /// How long a call takes that is logged for its slowness; zero for none.
        public var slow = Duration.zero
    }

    /// What the agent tells monitoring.
    public struct Telemetry: Equatable, Sendable {
        /// Where metrics and health are served over HTTP; nil for nowhere.
        public var listen: TelemetryAddress?
    }

    /// The Valkey servers that are used.
    public struct Valkey: Equatable, Sendable {
        /// Where the cache store is; nil, like ``stateURL``, for the embedded servers.
        public var cacheURL: StoreURL?
        /// Where the state store is; the same as ``cacheURL`` where only one was given.
        public var stateURL: StoreURL?
        /// The ACL user of both stores, where a URL names none; nil for the default user.
        public var user: String?
        /// Path of the file with the password, where a URL has none; nil for none.
        public var passwordFile: String?
        /// What ``passwordFile`` holds, without the line break at its end; shown nowhere.
        var password: String?
        /// How TLS is spoken with a server whose URL asks for it.
        public var tls = TLSConfiguration()
        /// What every key begins with, at most 256 bytes.
        public var prefix = ""
        /// Whether what must not be forgotten is kept in a store that may evict it.
        public var acceptsEviction = false
        /// Data connections a store, at least 1.
        public var connections = 1
        /// Longest time from the beginning of a connection attempt to a server that is ready.
        public var connectTimeout = Duration.seconds(2)

        /// The servers of both roles, where others than the embedded ones are configured.
        public var endpoints: (cache: Endpoint, state: Endpoint)? {
            guard let cacheURL, let stateURL else { return nil }
            return (complete(cacheURL.endpoint), complete(stateURL.endpoint))
        }

        /// The endpoint of a URL with user and password where the URL has none.
        private func complete(_ endpoint: Endpoint) -> Endpoint {
            guard endpoint.password == nil, let password else { return endpoint }
            var endpoint = endpoint
            endpoint.user = user
            endpoint.password = password
            return endpoint
        }
    }

    /// The servers that the agent starts itself.
    public struct Embedded: Equatable, Sendable {
        /// Name or path of the server's program; nil for Valkey's or else Redis' own.
        public var executable: String?
        /// Size at which the cache store begins to forget, as Valkey reads it, such as `256mb`.
        public var cacheMaxMemory = "256mb"
        /// What the cache store forgets first (`maxmemory-policy`), as Valkey names it.
        public var cacheMaxMemoryPolicy = "allkeys-lru"
        /// When the state store's log reaches the disk (`appendfsync`): `everysec` or `always`.
        public var stateAppendFsync = "everysec"
    }

    /// Keys and bounds of sessions.
    public struct Sessions: Equatable, Sendable {
        /// Files of the master keys, the primary one's first; empty for systemd's credentials or the agent's own key.
        public var keyFiles: [String] = []
        /// Most sessions of one subject in one namespace.
        public var perSubjectMax = 100
        /// What happens to one more: `evict_oldest` or `reject`.
        public var perSubjectPolicy = "evict_oldest"
        /// Longest text of what a session holds, in bytes.
        public var dataBytesMax = 1 << 20
    }

    /// Bounds on channels.
    public struct Channels: Equatable, Sendable {
        /// Most messages that wait for a subscriber that names no bound.
        public var queueMax = 4096
        /// Most bytes of messages that wait for one subscriber.
        public var queueBytesMax = 1 << 20
        /// Most bytes of messages that wait for all subscribers.
        public var queuedBytesMax = 256 << 20
        /// Most subscriptions of one connection.
        public var subscriptionsMax = 1024
    }

    /// Bounds on topics.
    public struct Topics: Equatable, Sendable {
        /// Most messages in a topic whose publisher names no bound.
        public var lengthMax = 1_000_000
    }

    /// Bounds on what clients may ask and hold.
    public struct Limits: Sendable {
        /// Bounds on one client connection.
        public var connection = RPCLimits()
        /// Most client connections at once.
        public var connectionsMax = 10_000
        /// Longest key that a client may name, in bytes.
        public var keyBytesMax = 1024
        /// Bound on a call that names none.
        public var deadline = Duration.seconds(5)
        /// Bound on a call over many keys that names none.
        public var sweepDeadline = Duration.seconds(60)
        /// Most commands of a connection to Valkey that wait for a reply or to be sent.
        public var commandsMax = 65_536
        /// Most bytes of these commands.
        public var queuedBytesMax = 64 << 20
    }

    /// The end of the agent.
    public struct Shutdown: Equatable, Sendable {
        /// How long running calls may take to end.
        public var grace = Duration.seconds(10)
    }
}

extension Configuration {
    /// How the link to a store at `endpoint` behaves.
    public func link(to endpoint: Endpoint) -> LinkConfiguration {
        var link = LinkConfiguration(endpoint: endpoint)
        link.tls = valkey.tls
        link.connections = valkey.connections
        link.connectTimeout = valkey.connectTimeout
        link.commandsMax = limits.commandsMax
        link.queuedBytesMax = limits.queuedBytesMax
        // Short strings take twice as much in Valkey's protocol as in a reply.
        link.replyBytesMax = max(link.replyBytesMax, 2 * limits.connection.replyBytesMax)
        return link
    }
}

extension Configuration {
    /// Takes over from `other` as whom the agent speaks to Valkey, and how it knows that it is Valkey; the URLs stay.
    public mutating func adoptAccess(of other: Configuration) {
        valkey.user = other.valkey.user
        valkey.passwordFile = other.valkey.passwordFile
        valkey.password = other.valkey.password
        valkey.tls = other.valkey.tls
        for option in Option.access { origins[option.name] = other.origins[option.name] }
    }
}

extension Configuration {
    /// Takes over from `other` where the options come from whose values were taken over.
    ///
    /// - Parameters:
    ///   - other: Where the values are from.
    ///   - isAdopted: Whether the value of the option of that name was taken over.
    public mutating func adoptOrigins(of other: Configuration, where isAdopted: (_ option: String) -> Bool) {
        for name in Set(origins.keys).union(other.origins.keys) where isAdopted(name) {
            origins[name] = other.origins[name]
        }
    }
}

extension Duration {
    /// Whole milliseconds; lives and deadlines are configured in them.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
