import Bytes
import Glibc
import Linux

extension LoadConnection {
    private static let connectLimit = Duration.seconds(5)
    private static let pause = Duration.milliseconds(1)

    /// Connects to a server.
    ///
    /// - Parameters:
    ///   - target: The server.
    ///   - addresses: Its addresses, where it is reached over TCP.
    ///   - pipeline: Calls that may be under way at once.
    ///   - token: Its place among the load's connections.
    /// - Throws: ``LoadError`` where it cannot be reached or refuses.
    convenience init(
        to target: LoadTarget,
        _ addresses: [SocketAddress],
        pipeline: Int,
        token: Int
    ) throws(LoadError) {
        self.init(try Self.open(target, addresses), target.language, pipeline: pipeline, token: token)
    }

    /// Connects to a server and, where it is a Valkey that asks for it, authenticates.
    ///
    /// - Throws: ``LoadError`` where it cannot be reached or refuses.
    static func open(_ target: LoadTarget, _ addresses: [SocketAddress]) throws(LoadError) -> FileDescriptor {
        let deadline = Instant.now.advanced(by: Self.connectLimit)
        let socket: FileDescriptor
        do throws(SystemError) {
            socket = try Self.open(target, addresses, until: deadline)
        } catch {
            throw LoadError("\(target.name) cannot be reached: \(error.reason)")
        }
        for command in target.greeting {
            try Self.exchange(command, socket, until: deadline)
        }
        return socket
    }

    private static func open(
        _ target: LoadTarget,
        _ addresses: [SocketAddress],
        until deadline: Instant
    ) throws(SystemError) -> FileDescriptor {
        switch target.address {
        case .unix(let path):
            while true {
                do throws(SystemError) {
                    return try Socket.connect(unixPath: path)
                } catch {
                    // The listener's backlog is full: it accepts soon.
                    guard error.code == EAGAIN, Instant.now < deadline else { throw error }
                    Polling.sleep(until: .now.advanced(by: pause))
                }
            }
        case .tcp:
            var failure = SystemError(code: ENOENT, operation: "connect")
            for address in addresses {
                let socket = try Socket.connect(to: address)
                var waiting = [Polling(socket.number, .writable)]
                guard Polling.wait(&waiting, until: deadline) else {
                    throw SystemError(code: ETIMEDOUT, operation: "connect")
                }
                guard let error = Socket.pendingError(socket) else { return socket }
                failure = error
            }
            throw failure
        }
    }

    /// Sends a command and waits for its reply of one line.
    private static func exchange(
        _ words: [String],
        _ socket: borrowing FileDescriptor,
        until deadline: Instant
    ) throws(LoadError) {
        var output = ByteBuffer()
        output.append(text: "*\(words.count)\r\n")
        for word in words { output.append(text: "$\(word.utf8.count)\r\n\(word)\r\n") }
        guard case .bytes(output.count) = socket.write(output.view) else {
            throw LoadError("\(words[0]) could not be sent")
        }
        var input = ByteBuffer()
        while input.view.firstIndex(of: UInt8(ascii: "\n")) == nil {
            var waiting = [Polling(socket.number, .readable)]
            guard Polling.wait(&waiting, until: deadline) else { throw LoadError("\(words[0]) was not answered") }
            var isOpen = true
            _ = unsafe input.withSpareCapacity(512) { target, count in
                switch unsafe socket.read(into: target, count: count) {
                case .bytes(let received): return received
                case .wouldBlock: return 0
                case .end, .failed:
                    isOpen = false
                    return 0
                }
            }
            guard isOpen else { throw LoadError("the server closed a connection after \(words[0])") }
        }
        guard input.view[0] == UInt8(ascii: "+") else {
            throw LoadError("\(words[0]) was refused: \(input.view.text().prefix { $0 != "\r\n" })")
        }
    }
}

extension LoadTarget {
    /// The server in words, without credentials.
    public var name: String {
        switch address {
        case .unix(let path): language == .commands ? "unix://\(path)" : path
        case .tcp(let host, let port): "valkey://\(host):\(port)"
        }
    }

    /// The addresses of a server that is reached over TCP.
    ///
    /// - Throws: ``LoadError`` where its name has none.
    func addresses() throws(LoadError) -> [SocketAddress] {
        guard case .tcp(let host, let port) = address else { return [] }
        do throws(ResolutionError) {
            return try SocketAddress.resolve(host: host, port: port)
        } catch {
            throw LoadError("\(host) has no address: \(error.reason)")
        }
    }
}
