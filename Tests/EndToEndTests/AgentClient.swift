import Bytes
import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// A connection to the agent that sends any bytes, and takes replies apart no further than its framing asks.
final class AgentClient {
    /// How messages are delimited.
    enum Framing: CaseIterable {
        /// A newline ends each message.
        case lines
        /// A header tells each message's length.
        case contentLength
    }

    private let descriptor: FileDescriptor
    private let framing: Framing
    private let limit: Duration
    private var received: [UInt8] = []
    private var consumed = 0
    private var lastID = 0

    /// Connects to the socket at `path`; each wait of this connection takes at most `limit`.
    init(_ path: String, _ framing: Framing = .lines, limit: Duration = .seconds(20)) throws {
        descriptor = try Socket.connect(unixPath: path)
        self.framing = framing
        self.limit = limit
    }

    // MARK: Sending

    /// Sends bytes as they are.
    func send(bytes: [UInt8]) async throws {
        let deadline = Instant.now.advanced(by: limit)
        var sent = 0
        while sent < bytes.count {
            switch bytes.withByteView({ descriptor.write($0.dropFirst(sent)) }) {
            case .bytes(let count): sent += count
            case .wouldBlock: try await pause(until: deadline, "the agent takes no more bytes")
            case .end: throw SystemError(code: EPIPE, operation: "write to the agent")
            case .failed(let error): throw error
            }
        }
    }

    /// Sends messages in the connection's framing, all in one write where the kernel takes them.
    func send(_ messages: String...) async throws {
        try await send(messages)
    }

    /// Sends messages in one go.
    func send(_ messages: [String]) async throws {
        try await send(bytes: messages.flatMap { frame($0) })
    }

    /// Bytes of one message in the connection's framing.
    func frame(_ message: String) -> [UInt8] {
        switch framing {
        case .lines: Array("\(message)\n".utf8)
        case .contentLength: Array("Content-Length: \(message.utf8.count)\r\n\r\n\(message)".utf8)
        }
    }

    /// Says that nothing more will be sent; replies can still be received.
    func finishSending() {
        Socket.finishSending(descriptor)
    }

    // MARK: Receiving

    /// The next message, without its framing.
    func receive() async throws -> String {
        let deadline = Instant.now.advanced(by: limit)
        while true {
            if let message = try takeMessage() { return message }
            switch try readSome() {
            case .bytes: continue
            case .wouldBlock: try await pause(until: deadline, "the agent answers nothing")
            case .end: throw SystemError(code: ECONNRESET, operation: "read from the agent")
            case .failed(let error): throw error
            }
        }
    }

    /// The next message where it has come already, else nil.
    func receivedMessage() throws -> String? {
        if let message = try takeMessage() { return message }
        _ = try readSome()
        return try takeMessage()
    }

    /// The next `count` messages.
    func receive(_ count: Int) async throws -> [String] {
        var messages: [String] = []
        for _ in 0..<count { messages.append(try await receive()) }
        return messages
    }

    /// What else the agent sends until it closes the connection.
    func receiveToEnd() async throws -> String {
        let deadline = Instant.now.advanced(by: limit)
        while true {
            switch try readSome() {
            case .bytes: continue
            case .wouldBlock: try await pause(until: deadline, "the agent keeps the connection open")
            // A connection that is closed with unread input in it is reset.
            case .end, .failed:
                defer { consumed = received.count }
                return String(decoding: received[consumed...], as: UTF8.self)
            }
        }
    }

    // MARK: Calling

    /// Calls a method and returns the reply's text; what the agent tells of itself meanwhile is passed over.
    func reply(to method: String, _ params: String = "{}") async throws -> String {
        lastID += 1
        try await send(#"{"jsonrpc":"2.0","id":\#(lastID),"method":"\#(method)","params":\#(params)}"#)
        var reply = try await receive()
        while reply.hasPrefix(#"{"jsonrpc":"2.0","method":"#) { reply = try await receive() }
        try #require(reply.hasPrefix(#"{"jsonrpc":"2.0","id":\#(lastID),"#), "\(reply.prefix(200))")
        return reply
    }

    /// Calls a method and returns the text of its result, byte for byte.
    func resultText(of method: String, _ params: String = "{}") async throws -> String {
        let reply = try await reply(to: method, params)
        let beginning = #"{"jsonrpc":"2.0","id":\#(lastID),"result":"#
        try #require(reply.hasPrefix(beginning), "\(method): \(reply.prefix(300))")
        return String(reply.dropFirst(beginning.count).dropLast())
    }

    /// Calls a method and returns its result.
    func result(of method: String, _ params: String = "{}") async throws -> Document {
        let text = try await resultText(of: method, params)
        return try Document.parse(text)
    }

    /// Calls a method and returns the error that it ends with.
    func error(of method: String, _ params: String = "{}") async throws -> Document {
        let reply = try await reply(to: method, params)
        return try #require(try Document.parse(reply)["error"], "\(method): \(reply.prefix(300))")
    }

    // MARK: Bytes

    private func readSome() throws -> Transfer {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
            guard let base = memory.baseAddress else { return Transfer.end }
            return unsafe descriptor.read(into: base, count: memory.count)
        }
        if case .bytes(let count) = transfer { received += chunk.prefix(count) }
        return transfer
    }

    private func takeMessage() throws -> String? {
        let rest = received[consumed...]
        let bounds: Range<Int>
        switch framing {
        case .lines:
            guard let newline = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            bounds = consumed..<newline
            consumed = newline + 1
        case .contentLength:
            guard let header = try headerEnd(rest) else { return nil }
            guard received.count >= header.end + header.length else { return nil }
            bounds = header.end..<(header.end + header.length)
            consumed = bounds.upperBound
        }
        let message = String(decoding: received[bounds], as: UTF8.self)
        if consumed > 1 << 20 || consumed == received.count {
            received.removeFirst(consumed)
            consumed = 0
        }
        return message
    }

    private func headerEnd(_ bytes: ArraySlice<UInt8>) throws -> (end: Int, length: Int)? {
        let text = String(decoding: bytes.prefix(80), as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let header = text[..<end.lowerBound]
        guard header.hasPrefix("Content-Length: "), let length = Int(header.dropFirst(16)) else {
            throw FixtureError("no header: \(text)")
        }
        return (consumed + header.utf8.count + 4, length)
    }

    private func pause(until deadline: Instant, _ what: String) async throws {
        guard Instant.now < deadline else { throw FixtureError("\(what) within \(limit)") }
        try await Task.sleep(for: .milliseconds(1))
    }
}
