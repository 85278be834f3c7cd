import Glibc

/// Why a client could not get an answer.
///
/// An error that the agent answered is a reply, not one of these.
public struct RPCClientError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Equatable, Sendable {
        /// The path of the socket is longer than the kernel takes.
        case pathTooLong
        /// No agent listens at the path, or this user may not connect to it.
        case unreachable
        /// The deadline passed first; what was sent may still be carried out.
        case timedOut
        /// The agent closed the connection before it answered.
        case closed
        /// Whoever reads what comes of the answers has gone.
        case unread
        /// What came is not JSON-RPC.
        case malformed
        /// A line has more bytes than ``RPCClient/lineBytesMax``.
        case tooLarge
    }

    /// What kind of failure it is.
    public let code: Code
    /// One line for a person, without a full stop.
    public let message: String
    /// Error number of the system call that failed, where one did.
    public let systemCode: Int32?

    /// Records a failure.
    ///
    /// - Parameters:
    ///   - code: What kind of failure it is.
    ///   - message: One line for a person, without a full stop.
    ///   - systemCode: Error number of the system call that failed, where one did.
    public init(_ code: Code, _ message: String, systemCode: Int32? = nil) {
        self.code = code
        self.message = message
        self.systemCode = systemCode
    }

    /// Whether the agent may be starting, so that the same attempt may succeed in a moment.
    var isPassing: Bool { systemCode == ENOENT || systemCode == ECONNREFUSED || systemCode == EAGAIN }

    /// Whether this user may not connect.
    public var isPermissionDenied: Bool { systemCode == EACCES || systemCode == EPERM }

    /// The message.
    public var description: String { message }
}
