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
    /// Ids of the supplementary groups at the time of connect(2), in no order; the kernel has at most 65 536 a process.
    public let groups: [UInt32]

    /// Asks the kernel who is at the other end of `socket`; nil where that is not told.
    public init?(_ socket: borrowing FileDescriptor) {
        var credentials = squire_credentials()
        guard unsafe squire_peer_credentials(socket.number, &credentials) == 0 else { return nil }
        userID = credentials.uid
        groupID = credentials.gid
        processID = credentials.pid
        groups = PeerIdentity.groups(of: socket.number)
    }

    /// Most processes have few groups; one with more is asked about a second time.
    private static func groups(of socket: Int32) -> [UInt32] {
        for capacity in [64, 65_536] {
            var isWhole = true
            let groups = unsafe [UInt32](unsafeUninitializedCapacity: capacity) { memory, count in
                let found = unsafe squire_peer_groups(socket, memory.baseAddress, Int32(capacity))
                isWhole = found >= 0 || errno != ERANGE
                count = max(Int(found), 0)
            }
            if isWhole { return groups }
        }
        return []
    }
}

/// The process that connected to a Unix socket: a descriptor that becomes readable when it has ended (pidfd_open(2)).
///
/// A child that it forked may hold the socket still, so the socket's end does not tell of the process's.
public struct PeerProcess: ~Copyable {
    /// What became of the process, where it cannot be watched.
    public enum Fault: Error, Equatable {
        /// It has ended.
        case ended
        /// The kernel does not tell: it is of another namespace, or the kernel is too old.
        case unknown
    }

    /// Readable once the process has ended.
    public let descriptor: FileDescriptor

    /// Asks the kernel for the process at the other end of `socket`.
    ///
    /// From Linux 6.5 on the kernel remembers the process itself (`SO_PEERPIDFD`). Before, only its number is known,
    /// which may have been given to another process by now: so this is to be called early.
    ///
    /// - Throws: ``Fault``.
    public init(_ socket: borrowing FileDescriptor) throws(Fault) {
        let opened = FileDescriptor(owning: try PeerProcess.open(socket))
        // One that has ended is known to the kernel until its parent asks how.
        guard !Descriptors.isReadable(opened.number) else { throw .ended }
        descriptor = opened
    }

    private static func open(_ socket: borrowing FileDescriptor) throws(Fault) -> Int32 {
        let number = squire_peer_process(socket.number)
        if number >= 0 { return number }
        if errno == EINVAL || errno == ENODATA || errno == ESRCH { throw .ended }
        guard let identity = PeerIdentity(socket), identity.processID > 0 else { throw .unknown }
        let opened = squire_process_open(identity.processID)
        if opened < 0 { throw errno == ESRCH ? .ended : .unknown }
        return opened
    }
}
