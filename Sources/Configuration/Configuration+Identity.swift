extension Configuration {
    /// A socket besides the main one, for callers of its own.
    public struct TenantSocket: Equatable, Sendable {
        /// By which rules of the policy speak of it; `[a-z0-9_.-]{1,64}`, never `main`.
        public var name: String
        /// Absolute path, short enough for the kernel.
        public var path: String
        /// Permissions of the socket's file; never for others to write.
        public var mode: UInt32
        /// Name or number of the group of the socket's file; nil for the agent's own.
        public var group: String?

        /// Describes a socket.
        public init(name: String, path: String, mode: UInt32, group: String?) {
            self.name = name
            self.path = path
            self.mode = mode
            self.group = group
        }
    }

    /// What is recorded of who did what.
    public struct Audit: Equatable, Sendable {
        /// Path of the file; nil for none.
        public var file: String?
        /// Path of the key that a new chain begins with; nil for the unit's credential or the agent's own.
        public var keyFile: String?
        /// Which calls are recorded, of ``classesKnown``.
        public var classes = ["denials", "sessions", "operators", "policy"]
        /// What happens while nothing can be written: `count` or `refuse`.
        public var whenFull = "count"

        /// What ``classes`` may hold.
        public static let classesKnown = [
            "denials", "sessions", "operators", "policy", "cache", "channels", "locks", "all",
        ]
    }

    /// Who may call what.
    public struct Policy: Equatable, Sendable {
        /// Path of the file; nil for the standard policy.
        public var file: String?
    }
}
