import EventLoop
import JSONRPC
import Linux

/// Tells the calls' table when the process that made a connection has ended.
@EventLoop
final class ProcessWatch: DescriptorHandler {
    private let process: PeerProcess
    private let peer: Peer
    private let calls: CallTable
    private var registration: Registration?

    /// Watches from now on.
    ///
    /// - Throws: ``PeerProcess/Fault`` `unknown` where the kernel watches no more.
    init(_ process: consuming PeerProcess, of peer: Peer, calls: CallTable) throws(PeerProcess.Fault) {
        self.process = process
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
        calls.processEnded(peer)
    }

    /// Watches no longer.
    func end() {
        if let registration { EventLoop.reactor.remove(registration) }
        registration = nil
    }
}
