import Bytes
import Linux

/// The socket to the journal, which may come and go.
final class JournalSocket: Sendable {
    private let socket: DatagramSocket

    /// Prepares to send to the journal's socket at `path`; nil where no socket can be made.
    init?(_ path: String) {
        guard let made = try? DatagramSocket(to: path) else { return nil }
        socket = made
    }

    /// Sends a record, and tells whether the journal took it.
    func send(_ record: ByteView) -> Bool { socket.send(record) == .sent }
}
