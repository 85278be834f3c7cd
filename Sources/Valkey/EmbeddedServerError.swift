/// Why an embedded server could not be started.
public struct EmbeddedServerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What happened.
    public enum Code: Sendable {
        /// No server is installed, or not where the configuration says.
        case notInstalled
        /// A setting cannot be written into a server's configuration.
        case invalidSetting
        /// The data directory cannot be made, entered or written to.
        case directoryUnusable
        /// Another server uses the data directory.
        case locked
        /// The socket's path is longer than the kernel allows.
        case socketPathTooLong
        /// The socket's path is taken by another server or by something that is no socket.
        case socketUnusable
        /// The program could not be executed.
        case startFailed
        /// ``EmbeddedServer/stop(grace:)`` came before the server was started.
        case stopped
    }

    /// What happened.
    public let code: Code
    /// The same in one line for people, with what to do where that is known.
    public let message: String

    /// The message.
    public var description: String { message }

    /// Records what is wrong.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
