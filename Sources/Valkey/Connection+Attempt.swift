import Bytes
import Crypto
import EventLoop
import Linux

extension Connection {
    /// What is found out off the loop before a connection begins.
    private struct Preparation: Sendable {
        var addresses: [SocketAddress]
        var context: TLSContext?
    }

    /// Why there is nothing to connect to, or nothing to secure the connection with, in words for the operator.
    private struct PreparationFault: Error {
        var reason: String
    }

    /// Whether TLS is spoken with the server.
    var isSecure: Bool { configuration.endpoint.isSecure }

    /// Begins an attempt over TCP: with what blocks, the name and the files of certificates.
    func resolve(_ host: String, _ port: UInt16, _ attempt: Int) {
        let tls = isSecure && credentials.context == nil ? credentials.tls : nil
        Task { @EventLoop in
            let result = await BlockingWork.run { Connection.prepare(host, port, tls) }
            guard attempt == self.attempt, self.state == .resolving else { return }
            switch result {
            case .success(let preparation):
                if self.isSecure {
                    self.context = preparation.context.map { self.credentials.settle($0) } ?? self.credentials.context
                }
                self.addresses = preparation.addresses
                self.tryNextAddress()
            case .failure(let fault):
                self.end(fault.reason)
            }
        }
    }

    private nonisolated static func prepare(
        _ host: String,
        _ port: UInt16,
        _ tls: TLSConfiguration?
    ) -> Result<Preparation, PreparationFault> {
        var context: TLSContext?
        do throws(TLSFileFault) {
            context = try tls?.makeContext()
        } catch {
            return .failure(PreparationFault(reason: error.description))
        }
        do throws(ResolutionError) {
            return .success(Preparation(addresses: try SocketAddress.resolve(host: host, port: port), context: context))
        } catch {
            return .failure(PreparationFault(reason: "its name cannot be resolved: \(error.reason)"))
        }
    }

    private func tryNextAddress() {
        let address = addresses.removeFirst()
        begin { () throws(SystemError) in try Socket.connect(to: address) }
    }

    /// Begins to connect by `make`.
    func begin(_ make: () throws(SystemError) -> FileDescriptor) {
        state = .connecting
        do throws(SystemError) {
            socket = try ConnectedSocket(make(), configuration, handler: self)
        } catch {
            return failedAddress(error)
        }
        if case .unix = configuration.endpoint.address { finishConnecting() }
    }

    private func failedAddress(_ error: SystemError) {
        guard !addresses.isEmpty else { return end(error.reason) }
        socket?.remove()
        socket = nil
        tryNextAddress()
    }

    func finishConnecting() {
        guard let socket else { return }
        if let error = Socket.pendingError(socket.descriptor) { return failedAddress(error) }
        if case .tcp = configuration.endpoint.address { Socket.enableKeepalive(socket.descriptor) }
        guard isSecure else { return greet() }
        guard let context else { preconditionFailure("a secure connection has a context") }
        state = .securing
        do throws(TLSError) {
            try socket.secure(context, serverName: credentials.serverName, ticket: credentials.takeTicket())
        } catch {
            return end(error.message)
        }
        shakeHands()
    }

    /// Goes on with the TLS handshake; the server is greeted after it.
    func shakeHands() {
        switch socket?.shakeHands() {
        case nil: return
        case .success: greet()
        case .failure(let error): end(error.message)
        }
    }

    private func greet() {
        state = .greeting
        unsafe user.connectionIsGreeting()
        let greeting = Greeting(
            endpoint: credentials.endpoint,
            clientName: configuration.clientName,
            scripts: unsafe user.connectionScripts
        )
        greeting.append(to: &greetingOutput)
        self.greeting = greeting
        sendGreeting()
    }

    /// Goes on with sending the greeting.
    func sendGreeting() {
        guard let socket else { return }
        while !greetingOutput.isEmpty {
            switch socket.write(greetingOutput.view) {
            case .taken(let count): greetingOutput.consume(count)
            case .wouldBlock: return socket.wantWritable(true)
            case .broken: return explainBrokenGreeting(socket)
            }
        }
        socket.wantWritable(false)
    }

    /// Ends the attempt with the server's last words, which may lie in the socket.
    private func explainBrokenGreeting(_ socket: ConnectedSocket) {
        read()
        if socket === self.socket { end("the connection broke while greeting") }
    }

    /// Takes a reply to the greeting.
    func receivedGreeting(_ reply: Reply) {
        guard let step = greeting?.received(reply) else { return }
        switch step {
        case .more: limitAttempt()  // Over a slow line the scripts alone take longer than a server that answers may.
        case .refused(let reason): end(reason)
        case .ready(var server):
            server.transport = socket?.transport ?? server.transport
            greeting = nil
            clearTimer()
            state = .ready
            readySince = .now
            unsafe user.connectionBecameReady(server)
        }
    }
}
