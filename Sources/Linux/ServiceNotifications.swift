import Bytes
import Glibc

/// What the service manager that started this process wants to be told, and how (sd_notify(3), sd_watchdog_enabled(3)).
///
/// The protocol is a datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names.
public final class ServiceNotifications: Sendable {
    /// How often the manager must hear that the process is well; nil where it does not watch.
    public let watchdogPeriod: Duration?
    private let socket: DatagramSocket

    /// Finds the manager; nil where nobody wants to be told.
    ///
    /// - Parameter environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are read.
    public init?(_ environment: ProcessEnvironment) {
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@"),
            let socket = try? DatagramSocket(to: path)
        else { return nil }
        self.socket = socket
        let isOurs = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdogPeriod = isOurs && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    /// Tells the manager.
    ///
    /// - Parameter state: `NAME=value` lines, such as `READY=1`.
    /// - Returns: What became of it.
    public func send(_ state: String) -> DatagramSocket.Outcome {
        state.withByteView { socket.send($0) }
    }
}
