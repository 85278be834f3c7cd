import Bytes
import EventLoop
import Linux

/// A connected or connecting socket with what belongs to it alone: its place in the loop and its half-read reply.
@EventLoop
final class Connection {
    let descriptor: FileDescriptor
    let reader: ReplyReader
    /// What is left to send of the greeting.
    var greetingOutput = ByteBuffer()
    private let registration: Registration
    private var isWritableWanted = true

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
