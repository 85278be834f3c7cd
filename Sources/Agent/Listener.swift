import EventLoop
import Linux
import Observability

/// Takes the connections that come to one socket.
@EventLoop
final class Listener: DescriptorHandler {
    /// The socket's name, by which rules speak of it.
    let name: String
    /// The group of the socket's file.
    private(set) var group: UInt32?
    private let socket: ListeningSocket
    private var descriptor: FileDescriptor
    private unowned let server: Server
    private let log: Log
    private var registration: Registration?
    /// What is wrong with the socket's file, and was said.
    private var fault: String?

    /// Serves `socket` from ``start()`` on.
    init(_ socket: ListeningSocket, server: Server, log: Log) {
        self.socket = socket
        name = socket.name
        group = socket.group
        descriptor = socket.takeDescriptor()
        self.server = server
        self.log = log
    }

    /// Begins to accept.
    func start() throws(SystemError) {
        registration = try EventLoop.reactor.add(descriptor, .readable, handler: self)
    }

    /// Accepts nobody any more.
    func stop() {
        guard let registration else { return }
        EventLoop.reactor.remove(registration)
        self.registration = nil
    }

    /// Looks whether clients find the socket still, and has them find it again where somebody removed it.
    func lookAtFile() {
        guard registration != nil else { return }
        switch socket.fileState {
        case .present: fault = nil
        case .replaced: say("something else is in its place: remove that, and it is made anew")
        case .removed:
            do throws(ListeningSocket.Fault) {
                replace(with: try socket.remake())
                log.warning("the socket was removed; it is there again", ["socket": name, "path": socket.path ?? ""])
                fault = nil
            } catch {
                say(error.description)
            }
        }
    }

    private func say(_ next: String) {
        if next != fault {
            log.error("nobody can connect to the socket", ["socket": name, "path": socket.path ?? "", "reason": next])
        }
        fault = next
    }

    /// Takes who has come to the old descriptor, and goes on with another.
    private func replace(with next: consuming FileDescriptor) {
        descriptorReady(.readable)
        stop()
        descriptor = next
        group = socket.group
        do throws(SystemError) {
            try start()
        } catch {
            log.error("the socket cannot be watched", ["socket": name, "reason": error.reason])
        }
    }

    func descriptorReady(_ readiness: Readiness) {
        // A bounded number in one turn, so that a storm of connections does not hold up those that are there.
        for _ in 0..<64 {
            let number = Socket.accept(descriptor)
            guard number >= 0 else { return acceptFailed(-number) }
            server.accept(FileDescriptor(owning: number), from: self)
        }
    }

    private func acceptFailed(_ code: Int32) {
        let error = SystemError(code: code, operation: "accept")
        if error.isTransientForAccept { return }
        log.error("connections cannot be accepted for a moment", ["socket": name, "reason": error.reason])
        // Without a free descriptor the listener would be ready again at once, and the loop would spin.
        guard let registration else { return }
        EventLoop.reactor.modify(registration, [])
        EventLoop.reactor.timers.schedule(after: .milliseconds(100)) {
            if let registration = self.registration { EventLoop.reactor.modify(registration, .readable) }
        }
    }
}
