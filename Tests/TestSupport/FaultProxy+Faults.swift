extension FaultProxy {
    /// What a proxy does to the bytes that pass, from now on and until it is told something else.
    public struct Faults: Equatable, Sendable {
        /// How long each piece is held back before it goes on.
        public var latency = Duration.zero
        /// Most that is added to ``latency``, drawn anew for each piece; no piece overtakes another.
        public var jitter = Duration.zero
        /// Whether only replies are held back, and those not of connections that have subscribed to something: news then
        /// overtakes what was asked for before.
        public var delaysDataRepliesOnly = false
        /// Most bytes that go on at once, nil for no bound.
        public var sliceBytes: Int?
        /// Most bytes a second in each direction of each connection, nil for no bound.
        public var bytesPerSecond: Int?
        /// Whether connections are accepted and everything sent on them disappears, in both directions.
        ///
        /// A connection that has lost bytes this way is reset when the black hole ends: it cannot go on.
        public var isBlackHole = false
        /// Whether nothing is accepted, read or passed on, as if the process were stopped; nothing is lost.
        public var isStalled = false
        /// Whether new connections are refused; those that are open stay.
        public var refusesConnections = false

        /// A proxy that does nothing to what passes.
        public init() {}

        /// A proxy that does nothing to what passes.
        public static var none: Faults { Faults() }

        /// Each piece goes on after `latency` and up to `jitter` more.
        public static func delay(_ latency: Duration, jitter: Duration = .zero) -> Faults {
            var faults = Faults()
            faults.latency = latency
            faults.jitter = jitter
            return faults
        }

        /// Replies to data go on after up to `jitter`, news at once.
        public static func dataReplies(jitter: Duration) -> Faults {
            var faults = Faults()
            faults.jitter = jitter
            faults.delaysDataRepliesOnly = true
            return faults
        }

        /// At most `bytes` go on at once.
        public static func slices(ofBytes bytes: Int) -> Faults {
            var faults = Faults()
            faults.sliceBytes = bytes
            return faults
        }

        /// At most so many bytes a second.
        public static func bandwidth(bytesPerSecond: Int) -> Faults {
            var faults = Faults()
            faults.bytesPerSecond = bytesPerSecond
            return faults
        }

        /// Everything disappears.
        public static var blackHole: Faults {
            var faults = Faults()
            faults.isBlackHole = true
            return faults
        }

        /// Everything stands still.
        public static var stall: Faults {
            var faults = Faults()
            faults.isStalled = true
            return faults
        }

        /// Nobody can connect.
        public static var refusal: Faults {
            var faults = Faults()
            faults.refusesConnections = true
            return faults
        }
    }

    /// One of the two ways through a proxy.
    public enum Direction: Sendable {
        /// From the client to the server.
        case requests
        /// From the server to the client.
        case replies
    }

    /// What passed a proxy since its start.
    public struct Counters: Equatable, Sendable {
        /// Connections accepted.
        public var accepted = 0
        /// Connections that are open now.
        public var open = 0
        /// Connections that the proxy reset.
        public var resets = 0
        /// Bytes passed on to the server.
        public var requestBytes = 0
        /// Bytes passed on to the client.
        public var replyBytes = 0
        /// Pieces in which the requests went on.
        public var requestPieces = 0
        /// Pieces in which the replies went on.
        public var replyPieces = 0
        /// Bytes that disappeared in a black hole.
        public var swallowedBytes = 0
    }

    /// A command that a client sent through a proxy, also where a black hole took it.
    public struct Command: Equatable, Sendable {
        /// Number of the connection, counting from 1.
        public let connection: Int
        /// Its name and its arguments.
        public let words: [String]

        /// Its name in capitals, such as `PING`.
        public var name: String { words.first?.uppercased() ?? "" }
    }
}
