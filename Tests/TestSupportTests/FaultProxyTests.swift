import Bytes
import Glibc
import Linux
import TestSupport
import Testing

/// Each of the proxy's faults, seen from a client with a real server behind it.
struct FaultProxyTests {
    /// A client that sees the bytes as they are and the way a connection ends.
    private final class RawClient {
        /// How a connection ended.
        enum End: Equatable {
            case orderly
            case reset
            case stillOpen
        }

        private let socket: FileDescriptor

        init(_ address: StreamAddress) throws {
            socket = try address.connect()
            var waiting = [Polling(socket.number, .writable)]
            _ = Polling.wait(&waiting, until: Instant.now.advanced(by: .seconds(5)))
            if let error = Socket.pendingError(socket) { throw error }
        }

        func send(_ text: String) {
            _ = text.withByteView { socket.write($0) }
        }

        /// Reads until the connection ends, `count` bytes are there, or `limit` has passed.
        func receive(
            _ count: Int = .max,
            within limit: Duration = .seconds(5)
        ) -> (text: String, end: End) {
            let deadline = Instant.now.advanced(by: limit)
            var received: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while received.count < count {
                let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
                    guard let base = memory.baseAddress else { return Transfer.end }
                    return unsafe socket.read(into: base, count: memory.count)
                }
                switch transfer {
                case .bytes(let count): received += chunk.prefix(count)
                case .end: return (String(decoding: received, as: UTF8.self), .orderly)
                case .failed: return (String(decoding: received, as: UTF8.self), .reset)
                case .wouldBlock:
                    var waiting = [Polling(socket.number, .readable)]
                    guard Polling.wait(&waiting, until: deadline) else {
                        return (String(decoding: received, as: UTF8.self), .stillOpen)
                    }
                }
            }
            return (String(decoding: received, as: UTF8.self), .stillOpen)
        }
    }

    private static let echo = "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n"
    private static let echoed = "$5\r\nhello\r\n"

    /// Runs `body` with a server and a proxy of each kind of socket before it.
    private func withProxies(isRecording: Bool = false, _ body: (FaultProxy) async throws -> Void) async throws {
        try await withValkeyServer { server in
            for front in [StreamAddress.loopback(port: 0), .unix("\(server.directory)/proxy.sock")] {
                let back = StreamAddress.unix(server.socketPath)
                try await withFaultProxy(to: back, at: front, isRecording: isRecording, body)
            }
        }
    }

    @Test("without a fault commands and replies pass, are counted and recorded")
    func passes() async throws {
        try await withProxies(isRecording: true) { proxy in
            let client = try RawClient(proxy.address)
            client.send(Self.echo + Self.echo)
            #expect(client.receive(22).text == Self.echoed + Self.echoed)
            let counters = proxy.counters
            #expect(counters.requestBytes == 2 * Self.echo.utf8.count)
            #expect(counters.replyBytes == 2 * Self.echoed.utf8.count)
            #expect(counters.accepted == 1 && counters.open == 1 && counters.resets == 0)
            #expect(proxy.commands.map(\.words) == [["ECHO", "hello"], ["ECHO", "hello"]])
            proxy.forgetCommands()
            #expect(proxy.commands.isEmpty)
        }
    }

    @Test("a client that ends its input still gets the replies, and then the end")
    func orderlyEnd() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            client.send(Self.echo + "*1\r\n$4\r\nQUIT\r\n")
            let received = client.receive()
            #expect(received.text == Self.echoed + "+OK\r\n")
            #expect(received.end == .orderly)
            try await waitUntil("the connection is forgotten") { proxy.counters.open == 0 }
        }
    }

    @Test("a delay holds each piece back, in both directions")
    func latency() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            proxy.faults = .delay(.milliseconds(40), jitter: .milliseconds(5))
            let start = Instant.now
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            #expect(Instant.now.milliseconds(since: start) >= 80)
        }
    }

    @Test("slices go on one by one")
    func slices() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            proxy.faults = .slices(ofBytes: 1)
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            let counters = proxy.counters
            #expect(counters.requestPieces == Self.echo.utf8.count)
            #expect(counters.replyPieces == Self.echoed.utf8.count)
        }
    }

    @Test("a bandwidth is kept")
    func bandwidth() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            proxy.faults = .bandwidth(bytesPerSecond: 500)
            let start = Instant.now
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            // 25 bytes there and 11 back, of which the last 5 of each need not be waited for.
            #expect(Instant.now.milliseconds(since: start) >= 40)
        }
    }

    @Test("a black hole swallows what is sent, and resets what it has harmed when it ends")
    func blackHole() async throws {
        try await withProxies(isRecording: true) { proxy in
            let harmed = try RawClient(proxy.address)
            let idle = try RawClient(proxy.address)
            try await waitUntil("both are accepted") { proxy.counters.open == 2 }
            proxy.faults = .blackHole
            harmed.send(Self.echo)
            let late = try RawClient(proxy.address)
            late.send(Self.echo)
            try await waitUntil("all is swallowed") { proxy.counters.swallowedBytes == 2 * Self.echo.utf8.count }
            #expect(proxy.counters.accepted == 3)
            #expect(harmed.receive(within: .milliseconds(20)).end == .stillOpen)
            #expect(proxy.commands.count == 2)
            proxy.faults = .none
            #expect(harmed.receive().end != .stillOpen)
            #expect(late.receive().end != .stillOpen)
            #expect(proxy.counters.replyBytes == 0)
            idle.send(Self.echo)
            #expect(idle.receive(11).text == Self.echoed)
        }
    }

    @Test("a stall holds everything, new connections too, and loses nothing")
    func stall() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            proxy.faults = .stall
            client.send(Self.echo)
            // The kernel accepts for the proxy.
            let late = try RawClient(proxy.address)
            late.send(Self.echo)
            #expect(client.receive(within: .milliseconds(20)).end == .stillOpen)
            #expect(proxy.counters.accepted <= 1)
            proxy.faults = .none
            #expect(client.receive(11).text == Self.echoed)
            #expect(late.receive(11).text == Self.echoed)
        }
    }

    @Test("a refusal leaves open connections alone and takes no new ones, until it ends")
    func refusal() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            proxy.faults = .refusal
            #expect(throws: SystemError.self) { try RawClient(proxy.address) }
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            proxy.faults = .none
            let late = try RawClient(proxy.address)
            late.send(Self.echo)
            #expect(late.receive(11).text == Self.echoed)
        }
    }

    @Test("a reset of all connections ends each of them")
    func resetAll() async throws {
        try await withProxies { proxy in
            let clients = [try RawClient(proxy.address), try RawClient(proxy.address)]
            try await waitUntil("both are accepted") { proxy.counters.open == 2 }
            proxy.resetConnections()
            for client in clients { #expect(client.receive().end != .stillOpen) }
            #expect(proxy.counters.resets == 2 && proxy.counters.open == 0)
        }
    }

    @Test("a half-close of the replies delivers what was sent and ends the stream, while requests go on")
    func halfCloseOfReplies() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            proxy.finishSending(.replies)
            #expect(client.receive().end == .orderly)
            client.send(Self.echo)
            try await waitUntil("the request passed") { proxy.counters.requestBytes == 2 * Self.echo.utf8.count }
            #expect(proxy.counters.replyBytes == Self.echoed.utf8.count)
        }
    }

    @Test("a half-close of the requests ends the server's input, and with it the connection")
    func halfCloseOfRequests() async throws {
        try await withProxies { proxy in
            let client = try RawClient(proxy.address)
            client.send(Self.echo)
            #expect(client.receive(11).text == Self.echoed)
            proxy.finishSending(.requests)
            #expect(client.receive().end == .orderly)
        }
    }

    @Test("a reset comes after exactly so many bytes of a request", arguments: 0...echo.utf8.count)
    func resetOfRequest(_ offset: Int) async throws {
        try await withProxies { inner in
            try await withFaultProxy(to: inner.address) { outer in
                let accepted = inner.counters.accepted
                let client = try RawClient(outer.address)
                outer.reset(afterBytes: offset, of: .requests)
                client.send(Self.echo)
                #expect(client.receive().end == .reset)
                try await waitUntil("the connection has ended behind it") {
                    let counters = inner.counters
                    return counters.accepted == accepted + 1 && counters.open == 0
                }
                #expect(inner.counters.requestBytes == offset)
                #expect(outer.counters.resets == 1)
            }
        }
    }

    @Test("a reset comes after exactly so many bytes of a reply", arguments: 0...echoed.utf8.count)
    func resetOfReply(_ offset: Int) async throws {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                let client = try RawClient(proxy.address)
                let bystander = try RawClient(proxy.address)
                proxy.reset(afterBytes: offset, of: .replies)
                client.send(Self.echo)
                let received = client.receive()
                #expect(Array(received.text.utf8) == Array(Self.echoed.utf8.prefix(offset)))
                #expect(received.end == .reset)
                bystander.send(Self.echo)
                #expect(bystander.receive(11).text == Self.echoed)
            }
        }
    }

    @Test("a reset at the first byte of a reply comes after the request was carried out")
    func resetBeforeReply() async throws {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                let client = try RawClient(proxy.address)
                proxy.faults = .delay(.milliseconds(10))
                proxy.reset(afterBytes: 0, of: .replies)
                client.send("*2\r\n$4\r\nINCR\r\n$5\r\ncount\r\n")
                let received = client.receive()
                #expect(received.text.isEmpty && received.end == .reset)
                #expect(try server.command("GET", "count").integer == 1)
            }
        }
    }

    @Test("a server that is not there closes the connection")
    func serverMissing() async throws {
        try await withTemporaryDirectory { directory in
            try await withFaultProxy(to: .unix("\(directory)/nobody.sock")) { proxy in
                let client = try RawClient(proxy.address)
                #expect(client.receive().end != .stillOpen)
            }
        }
    }
}
