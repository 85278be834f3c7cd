import Linux

extension EmbeddedServer {
    /// What one embedded server is and where it lives.
    public struct Configuration: Sendable {
        /// What the server is for, which decides what it may forget and what it writes to the disk.
        public enum Role: Sendable {
            /// It may forget: evicts at `maxmemory`, a size such as `256mb`, as `maxmemory-policy` says.
            ///
            /// Nothing is written while it runs. It leaves a snapshot when it stops, and begins with it.
            case cache(maximumMemory: String = "256mb", policy: String = "allkeys-lru")
            /// It must not forget: evicts nothing, and logs every write (AOF).
            case state(synchronization: Synchronization = .everySecond)
        }

        /// When the log of a state store reaches the disk (`appendfsync`).
        public enum Synchronization: String, Sendable {
            /// Once a second: a power failure loses about the last second, a crash of the server nothing.
            case everySecond = "everysec"
            /// Before each reply.
            case always
        }

        /// What the server is for.
        public var role: Role
        /// Absolute path of the directory that holds its data, configuration and log.
        ///
        /// It is made where it does not exist, open to its owner alone.
        public var directory: String
        /// Absolute path of its socket, at most ``Socket/pathBytesMax`` bytes; the directory around it has to exist.
        public var socketPath: String
        /// The program, a name or a path; nil for Valkey's or else Redis' own.
        public var executable: String?
        /// Directories, separated by colons, in which programs are looked for; nil for `PATH` and the system's own.
        public var searchPath: String?
        /// How long ``EmbeddedServer/start()`` waits for the previous server of the directory to end.
        public var lockTimeout = Duration.seconds(10)

        /// A server in `directory` that listens at `socketPath`, everything else by default.
        public init(role: Role, directory: String, socketPath: String) {
            self.role = role
            self.directory = directory
            self.socketPath = socketPath
        }

        /// The store's name in logs: `cache` or `state`.
        public var storeName: String {
            switch role {
            case .cache: "cache"
            case .state: "state"
            }
        }
    }
}

extension EmbeddedServer.Configuration {
    /// Longest size that is read: more digits than any memory has bytes.
    private static let sizeBytesMax = 20

    /// The units of sizes in a server's configuration; without one a size is in bytes.
    private static let sizeUnits = ["", "b", "k", "kb", "m", "mb", "g", "gb"]

    /// The eviction policies of Valkey 7.2 to 9 and of Redis 7.
    private static let policies = [
        "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random",
        "volatile-ttl", "noeviction",
    ]

    /// Refuses what a server would refuse, or would read as something else.
    func validate() throws(EmbeddedServerError) {
        try validate(path: directory, "data directory")
        try validate(path: socketPath, "socket")
        guard socketPath.utf8.count <= Socket.pathBytesMax else {
            throw EmbeddedServerError(
                .socketPathTooLong,
                "the path of the \(storeName) store's socket has \(socketPath.utf8.count) bytes, and at most "
                    + "\(Socket.pathBytesMax) are possible: \(socketPath)"
            )
        }
        guard case .cache(let maximumMemory, let policy) = role else { return }
        guard Self.isSize(maximumMemory) else {
            throw EmbeddedServerError(.invalidSetting, "maxmemory is to be a size such as 256mb")
        }
        guard Self.policies.contains(policy) else {
            throw EmbeddedServerError(
                .invalidSetting,
                "maxmemory-policy is to be one of \(Self.policies.joined(separator: ", "))"
            )
        }
    }

    private func validate(path: String, _ name: String) throws(EmbeddedServerError) {
        guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(0) else {
            throw EmbeddedServerError(.invalidSetting, "the \(storeName) store's \(name) is to be an absolute path")
        }
    }

    private static func isSize(_ text: String) -> Bool {
        let digits = text.utf8.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard !digits.isEmpty, text.utf8.count <= sizeBytesMax else { return false }
        return sizeUnits.contains(text.dropFirst(digits.count).lowercased())
    }
}
