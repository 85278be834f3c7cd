import CLinux
import Glibc

/// Who connected to a Unix socket, by the kernel's word (`SO_PEERCRED`, unix(7)).
public struct PeerIdentity: Equatable, Sendable {
    /// The effective user's id at the time of connect(2).
    public let userID: UInt32
    /// The effective group's id at the time of connect(2).
    public let groupID: UInt32
    /// The process at the time of connect(2), whose number may be another's by now; 0 where it is of another namespace.
    public let processID: Int32

    /// Asks the kernel who is at the other end of `socket`; nil where that is not told.
    public init?(_ socket: borrowing FileDescriptor) {
        var credentials = squire_credentials()
        guard unsafe squire_peer_credentials(socket.number, &credentials) == 0 else { return nil }
        userID = credentials.uid
        groupID = credentials.gid
        processID = credentials.pid
    }
}
