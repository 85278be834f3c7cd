import Bytes
import Glibc
import Linux
import RPCTestSupport
import TestSupport

/// Stands between an agent and a server and hands on each byte by itself, in a packet of its own.
final class SlicingRelay: Sendable {
    /// Port of the loopback interface on which it listens.
    let port: UInt16
    private let ending: Int32

    /// One direction of a connection.
    private struct Stream {
        let from: Int32
        let to: Int32
        var bytes: [UInt8] = []
        var position = 0
        var isEnded = false

        /// Reads what is there, or hands on a byte.
        mutating func move() {
            if position == bytes.count {
                var chunk = [UInt8](repeating: 0, count: 4096)
                let count = unsafe recv(from, &chunk, chunk.count, Int32(MSG_DONTWAIT))
                if count == 0 || count < 0 && errno != EAGAIN { isEnded = true }
                bytes = Array(chunk.prefix(max(count, 0)))
                position = 0
            }
            while position < bytes.count {
                var byte = bytes[position]
                let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
                let count = unsafe send(to, &byte, 1, flags)
                if count < 0, errno != EAGAIN { isEnded = true }
                guard count == 1 else { return }
                position += 1
            }
        }
    }

    /// Starts a relay to `target`, a port of the loopback interface.
    private init(to target: UInt16) throws {
        port = try LoopbackPort.free()
        let listener = try SlicingRelay.listen(on: port)
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw SystemError.current("pipe") }
        ending = ends[1]
        let end = ends[0]
        _ = WorkerThread { SlicingRelay.serve(listener, target, until: end) }
    }

    /// Runs `body` with a relay to `target`, a port of the loopback interface.
    static func with(to target: UInt16, _ body: (SlicingRelay) async throws -> Void) async throws {
        let relay = try SlicingRelay(to: target)
        defer { close(relay.ending) }
        try await body(relay)
    }

    private static func serve(_ listener: Int32, _ target: UInt16, until end: Int32) {
        var streams: [Stream] = []
        while true {
            var waiting = [
                pollfd(fd: end, events: 0, revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
            ]
            for stream in streams {
                let isFull = stream.position < stream.bytes.count
                waiting.append(
                    pollfd(fd: isFull ? stream.to : stream.from, events: Int16(isFull ? POLLOUT : POLLIN), revents: 0)
                )
            }
            guard unsafe poll(&waiting, nfds_t(waiting.count), -1) > 0, waiting[0].revents == 0 else { break }
            for index in streams.indices where waiting[index + 2].revents != 0 { streams[index].move() }
            for stream in streams where stream.isEnded {
                streams.removeAll { $0.from == stream.to || $0.to == stream.to }
                close(stream.from)
                close(stream.to)
            }
            guard waiting[1].revents != 0 else { continue }
            let client = accept(listener, nil, nil)
            guard let server = try? connect(to: target) else {
                close(client)
                continue
            }
            for descriptor in [client, server] { sendAtOnce(descriptor) }
            streams += [Stream(from: client, to: server), Stream(from: server, to: client)]
        }
        for stream in streams { close(stream.from) }
        close(listener)
        close(end)
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        return address
    }

    private static func withAddress(_ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        unsafe withUnsafePointer(to: address(port)) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func socket() -> Int32 {
        Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }

    private static func listen(on port: UInt16) throws -> Int32 {
        let number = socket()
        guard unsafe withAddress(port, { unsafe bind(number, $0, $1) }) == 0, Glibc.listen(number, 16) == 0 else {
            throw SystemError.current("listen")
        }
        return number
    }

    private static func connect(to port: UInt16) throws -> Int32 {
        let number = socket()
        guard unsafe withAddress(port, { unsafe Glibc.connect(number, $0, $1) }) == 0 else {
            close(number)
            throw SystemError.current("connect")
        }
        return number
    }

    /// Turns Nagle's algorithm off.
    private static func sendAtOnce(_ descriptor: Int32) {
        var on: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
}
