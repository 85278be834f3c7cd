import Bytes
import Glibc
import Linux

/// A connection to Valkey for looking into it without the product's own code.
///
/// It blocks the calling thread, at most as long as its limit. It is for one task at a time.
public final class RESPClient {
    private let descriptor: FileDescriptor
    private let limit: Duration
    private var decoder = RESPDecoder()

    /// Connects to the Unix socket at `path`.
    ///
    /// - Parameters:
    ///   - path: At most ``Socket/pathBytesMax`` bytes.
    ///   - limit: How long each reply may take.
    /// - Throws: `SystemError` of connect(2).
    public init(unixPath path: String, limit: Duration = .seconds(5)) throws {
        descriptor = try Socket.connect(unixPath: path)
        self.limit = limit
    }

    /// Connects to `port` of the loopback interface.
    ///
    /// - Throws: As ``init(unixPath:limit:)``.
    public init(port: UInt16, limit: Duration = .seconds(5)) throws {
        let addresses = try SocketAddress.resolve(host: "127.0.0.1", port: port)
        descriptor = try Socket.connect(to: addresses[0])
        self.limit = limit
        try wait(for: POLLOUT, until: Instant.now.advanced(by: limit))
        if let error = Socket.pendingError(descriptor) { throw error }
    }

    /// Sends a command and waits for its reply.
    ///
    /// - Parameter words: The command's name and its arguments.
    /// - Returns: The reply, also where it is an error of Valkey's.
    /// - Throws: ``FixtureError`` where none comes in time, `SystemError` where the connection breaks.
    @discardableResult
    public func command(_ words: String...) throws -> RESPReply {
        try command(words.map { Array($0.utf8) })
    }

    /// Sends a command of any bytes and waits for its reply.
    ///
    /// - Throws: As ``command(_:)-(String...)``.
    @discardableResult
    public func command(_ words: [[UInt8]]) throws -> RESPReply {
        var request = Array("*\(words.count)\r\n".utf8)
        for word in words {
            request += Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8)
        }
        try send(request)
        return try receive()
    }

    /// Waits for a reply or message that was not asked for by a command just sent: of a subscription, say.
    ///
    /// - Throws: As ``command(_:)-(String...)``.
    public func receive() throws -> RESPReply {
        let deadline = Instant.now.advanced(by: limit)
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let reply = try decoder.next() { return reply }
            let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
                guard let base = memory.baseAddress else { return Transfer.end }
                return unsafe descriptor.read(into: base, count: memory.count)
            }
            switch transfer {
            case .bytes(let count): decoder.append(chunk.prefix(count))
            case .wouldBlock: try wait(for: POLLIN, until: deadline)
            case .end: throw SystemError(code: ECONNRESET, operation: "read from Valkey")
            case .failed(let error): throw error
            }
        }
    }

    private func send(_ request: [UInt8]) throws {
        let deadline = Instant.now.advanced(by: limit)
        var sent = 0
        while sent < request.count {
            switch request.withByteView({ descriptor.write($0.dropFirst(sent)) }) {
            case .bytes(let count): sent += count
            case .wouldBlock: try wait(for: POLLOUT, until: deadline)
            case .end: throw SystemError(code: EPIPE, operation: "write to Valkey")
            case .failed(let error): throw error
            }
        }
    }

    private func wait(for event: Int32, until deadline: Instant) throws {
        let rest = deadline.milliseconds(since: .now)
        var entry = pollfd(fd: descriptor.number, events: Int16(event), revents: 0)
        guard rest > 0, unsafe poll(&entry, 1, Int32(clamping: rest)) != 0 else {
            throw FixtureError("no word from Valkey within \(limit)")
        }
    }
}
