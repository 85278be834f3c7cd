import Bytes
import EventLoop
import Linux

/// A connecting or connected socket with what belongs to it alone: its place in the loop and its half-read reply.
@EventLoop
final class ConnectedSocket {
    let descriptor: FileDescriptor
    let reader: ReplyReader
    private let registration: Registration
    private var isWritableWanted = true
    private static var buffer = ByteBuffer()

    /// Bytes taken from a socket at once.
    private static let receiveBytes = 128 << 10

    /// Registers `descriptor` for reading and writing.
    init(
        _ descriptor: consuming FileDescriptor,
        _ configuration: LinkConfiguration,
        handler: any DescriptorHandler
    ) throws(SystemError) {
        reader = ReplyReader(
            replyBytesMax: configuration.replyBytesMax,
            pendingBytesMax: configuration.valueBytesMax
        )
        registration = try EventLoop.reactor.add(descriptor, [.readable, .writable], handler: handler)
        self.descriptor = descriptor
    }

    /// Reads once; what came is in ``received`` until the next read of any socket.
    func receive() -> Transfer {
        ConnectedSocket.buffer.removeAll()
        var transfer = Transfer.wouldBlock
        _ = unsafe ConnectedSocket.buffer.withSpareCapacity(ConnectedSocket.receiveBytes) { memory, capacity in
            let count = min(capacity, ConnectedSocket.receiveBytes)
            transfer = unsafe descriptor.read(into: memory, count: count)
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        return transfer
    }

    /// What the last read of any socket brought.
    var received: ByteView { ConnectedSocket.buffer.view }

    /// Says whether the loop is to tell when the socket takes more.
    func wantWritable(_ wanted: Bool) {
        guard wanted != isWritableWanted else { return }
        isWritableWanted = wanted
        EventLoop.reactor.modify(registration, wanted ? [.readable, .writable] : .readable)
    }

    /// Takes the socket out of the loop; it closes with the last reference.
    func remove() {
        EventLoop.reactor.remove(registration)
    }
}
