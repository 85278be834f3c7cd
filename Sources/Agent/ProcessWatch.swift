import EventLoop
import JSONRPC
import Linux

/// Tells the calls' table when the process that made a connection has ended.
@EventLoop
final class ProcessWatch: DescriptorHandler {
    private let process: PeerProcess
    /// The number of the connection's descriptor, which is open while this watches.
    private let connection: Int32
    private let peer: Peer
    private let calls: CallTable
    private var registration: Registration?

    /// Watches from now on.
    ///
    /// - Parameters:
    ///   - process: The process that made the connection.
    ///   - connection: The number of the connection's descriptor; it must stay open until ``end()``.
    ///   - peer: The connection.
    ///   - calls: The table that is told.
    /// - Throws: ``PeerProcess/Fault`` `unknown` where the kernel watches no more.
    init(
        _ process: consuming PeerProcess,
        on connection: Int32,
        of peer: Peer,
        calls: CallTable
    ) throws(PeerProcess.Fault) {
        self.process = process
        self.connection = connection
        self.peer = peer
        self.calls = calls
        do throws(SystemError) {
            registration = try EventLoop.reactor.add(self.process.descriptor, .readable, handler: self)
        } catch {
            throw .unknown
        }
    }

    func descriptorReady(_ readiness: Readiness) {
        end()
        // A process closes what it has open before its end is told.
        peer.isOrphaned = Descriptors.isHungUp(connection)
        calls.processEnded(peer)
    }

    /// Watches no longer.
    func end() {
        if let registration { EventLoop.reactor.remove(registration) }
        registration = nil
    }
}
