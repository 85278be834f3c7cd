import Bytes
import Glibc
import JSON
public import Linux

/// A connection to the agent for programs that wait: the command line and the tests.
///
/// It speaks one message a line. Calls may be pipelined: ``send(_:params:)`` several, then ask for each reply; what
/// comes meanwhile, pushes included, is kept until it is asked for. Sending never blocks for good: while the agent
/// does not take bytes, its replies are read. Not to be shared between threads; closed when the last reference goes.
public final class RPCClient {
    /// Most bytes of one line from the agent, whose replies have at most 16 MiB unless configured otherwise.
    public static let lineBytesMax = 64 << 20

    /// Time between two attempts to connect.
    private static let pause = Duration.milliseconds(5)

    /// Path of the agent's socket.
    public let path: String
    /// Where what is received goes; a wait ends with ``RPCClientError`` `.unread` once nobody reads there any more.
    public var reader: Int32?
    private let descriptor: FileDescriptor
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    /// Bytes at the front of `input` that are known to hold no line feed.
    private var searched = 0
    private var isEnded = false
    private var isUnread = false
    private var kept: [RPCMessage] = []
    private var lastID: Int64 = 0

    /// Connects to the agent that listens at `path`.
    ///
    /// - Parameters:
    ///   - path: Path of a Unix socket, at most 107 bytes.
    ///   - deadline: When to give up where the agent has more new connections than it accepts.
    /// - Throws: ``RPCClientError`` `.pathTooLong`, `.unreachable`.
    public init(path: String, until deadline: Instant) throws(RPCClientError) {
        guard path.utf8.count <= Socket.pathBytesMax else {
            let limit = Socket.pathBytesMax
            let message = "the socket's path has \(path.utf8.count) bytes, the kernel takes at most \(limit): \(path)"
            throw RPCClientError(.pathTooLong, message)
        }
        self.path = path
        while true {
            do throws(SystemError) {
                descriptor = try Socket.connect(unixPath: path)
                return
            } catch {
                let next = Instant.now.advanced(by: Self.pause)
                guard error.code == EAGAIN, next < deadline else {
                    throw RPCClientError(.unreachable, Self.reason(error, path), systemCode: error.code)
                }
                Polling.sleep(until: next)
            }
        }
    }

    /// Connects to the first of `paths` where an agent listens.
    ///
    /// - Parameters:
    ///   - paths: At least one path of a Unix socket, the best first.
    ///   - deadline: When to give up.
    ///   - isAwaited: Whether an agent that is not there yet is waited for until `deadline`.
    /// - Returns: The connection, whose ``path`` tells which one it is.
    /// - Throws: ``RPCClientError`` `.pathTooLong`, `.unreachable`; of several, the first that will not pass by itself.
    public static func connect(
        toFirstOf paths: [String],
        until deadline: Instant,
        isAwaited: Bool = false
    ) throws(RPCClientError) -> RPCClient {
        while true {
            var errors: [RPCClientError] = []
            for path in paths {
                do throws(RPCClientError) {
                    return try RPCClient(path: path, until: deadline)
                } catch {
                    errors.append(error)
                }
            }
            let next = Instant.now.advanced(by: pause)
            guard isAwaited, errors.contains(where: \.isPassing), next < deadline else {
                // That an agent refuses says more than that there is none at another place.
                throw errors.first { !$0.isPassing } ?? errors.first
                    ?? RPCClientError(.unreachable, "no path of a socket is given")
            }
            Polling.sleep(until: next)
        }
    }

    private static func reason(_ error: SystemError, _ path: String) -> String {
        switch error.code {
        case ENOENT: "there is no socket at \(path)"
        case ECONNREFUSED: "nobody listens on \(path)"
        case EAGAIN: "the agent at \(path) accepts no connection"
        default: "\(path): \(error.reason)"
        }
    }

    /// Bytes that wait to be sent.
    public var unsentBytes: Int { output.count }

    /// Queues bytes as they are; they leave during the next wait.
    public func enqueue(_ bytes: [UInt8]) {
        output.append(bytes)
    }

    /// Queues a call.
    ///
    /// - Parameters:
    ///   - method: Name of the method.
    ///   - params: An object or an array; nil sends none.
    /// - Returns: The id by which ``reply(to:until:)`` finds the reply.
    public func send(_ method: String, params: JSONFragment? = nil) -> Int64 {
        lastID += 1
        enqueue(RequestText.call(id: lastID, method: method, params: params.map { [UInt8]($0.bytes) }))
        return lastID
    }

    /// Calls a method and waits for its reply.
    ///
    /// - Parameters:
    ///   - method: Name of the method.
    ///   - params: An object or an array; nil sends none.
    ///   - deadline: When to give up.
    /// - Returns: The reply, which may be an error of the agent.
    /// - Throws: ``RPCClientError`` `.timedOut`, `.closed`, `.malformed`, `.tooLarge`.
    public func call(
        _ method: String,
        params: JSONFragment? = nil,
        until deadline: Instant
    ) throws(RPCClientError) -> RPCMessage {
        try reply(to: send(method, params: params), until: deadline)
    }

    /// Waits for the reply to the call `id`; other messages are kept.
    ///
    /// An error whose id is null is taken for the reply too: the agent could not read the call's id, because the call
    /// was too long or the connection is one too many.
    ///
    /// - Throws: ``RPCClientError`` `.timedOut`, `.closed`, `.malformed`, `.tooLarge`.
    public func reply(to id: Int64, until deadline: Instant) throws(RPCClientError) -> RPCMessage {
        try message(until: deadline) { message in
            guard message.isReply, let given = message.id else { return false }
            return given.integer == id || (given.kind == .null && message.error != nil)
        }
    }

    /// Waits for the next push; replies are kept.
    ///
    /// - Throws: ``RPCClientError`` `.timedOut`, `.closed`, `.unread`, `.malformed`, `.tooLarge`.
    public func notification(until deadline: Instant) throws(RPCClientError) -> RPCMessage {
        try message(until: deadline) { !$0.isReply }
    }

    /// Waits for the next message of any kind, in the order of arrival.
    ///
    /// - Throws: ``RPCClientError`` `.timedOut`, `.closed`, `.malformed`, `.tooLarge`.
    public func receive(until deadline: Instant) throws(RPCClientError) -> RPCMessage {
        try message(until: deadline) { _ in true }
    }

    private func message(
        until deadline: Instant,
        where isWanted: (RPCMessage) -> Bool
    ) throws(RPCClientError) -> RPCMessage {
        if let index = kept.firstIndex(where: isWanted) {
            return kept.remove(at: index)
        }
        while true {
            let line = try receiveLine(until: deadline)
            guard let text = JSONFragment(line), let message = RPCMessage(text) else {
                throw RPCClientError(.malformed, "what the agent sent is not JSON-RPC")
            }
            if isWanted(message) {
                return message
            }
            kept.append(message)
        }
    }

    /// Waits for the next line that is not blank, without its end and whatever it holds.
    ///
    /// - Throws: ``RPCClientError`` `.timedOut`, `.closed`, `.unread`, `.tooLarge`.
    public func receiveLine(until deadline: Instant) throws(RPCClientError) -> [UInt8] {
        while true {
            if let line = try bufferedLine() { return line }
            guard !isUnread else { throw RPCClientError(.unread, "nobody reads the answers") }
            guard exchange(until: deadline).isInTime else {
                throw RPCClientError(.timedOut, "no reply in time")
            }
        }
    }

    /// The next line that has come already, or nil.
    ///
    /// - Throws: ``RPCClientError`` `.tooLarge`; `.closed` where none has come and none will.
    public func bufferedLine() throws(RPCClientError) -> [UInt8]? {
        while let end = input.view.firstIndex(of: 0x0A, from: searched) {
            var line = input.view.prefix(end).copy()
            input.consume(end + 1)
            searched = 0
            if line.last == 0x0D { line.removeLast() }
            if line.contains(where: { $0 != 0x20 && $0 != 0x09 }) { return line }
        }
        searched = input.count
        guard searched <= Self.lineBytesMax else {
            throw RPCClientError(.tooLarge, "the agent's line has more than \(Self.lineBytesMax) bytes")
        }
        if isEnded {
            throw RPCClientError(.closed, "the agent closed the connection")
        }
        return nil
    }

    /// Waits until bytes came, queued bytes left, or `other` can be read.
    ///
    /// - Parameters:
    ///   - other: One more descriptor to wait for.
    ///   - deadline: When to give up.
    /// - Returns: Whether something happened before the deadline, and whether `other` can be read.
    public func exchange(
        alongside other: Int32? = nil,
        until deadline: Instant
    ) -> (isInTime: Bool, isOtherReady: Bool) {
        let wanted: Readiness = output.isEmpty ? .readable : [.readable, .writable]
        // poll(2) passes over negative numbers.
        // Of the reader only its end is of interest, which is told without being asked for.
        var waiting = [
            Polling(isEnded ? -1 : descriptor.number, wanted), Polling(other ?? -1, .readable),
            Polling(reader ?? -1, []),
        ]
        guard Polling.wait(&waiting, until: deadline) else { return (false, false) }
        if waiting[0].ready.contains(.writable) { sendQueued() }
        if !waiting[0].ready.isDisjoint(with: [.readable, .hungUp, .failed]) { receiveAvailable() }
        if !waiting[2].ready.isEmpty { isUnread = true }
        return (true, !waiting[1].ready.isEmpty)
    }

    /// Sends what is queued, and then tells the agent that nothing more will come; replies can still be read.
    ///
    /// - Throws: ``RPCClientError`` `.timedOut`.
    public func finishSending(until deadline: Instant) throws(RPCClientError) {
        while !output.isEmpty, !isEnded {
            guard exchange(until: deadline).isInTime else {
                throw RPCClientError(.timedOut, "the agent takes no request")
            }
        }
        Socket.finishSending(descriptor)
    }

    private func sendQueued() {
        switch descriptor.write(output.view) {
        case .bytes(let count): output.consume(count)
        case .wouldBlock: return
        // Replies may lie unread although the agent takes nothing more: reading finds the end.
        case .end, .failed: output.removeAll()
        }
    }

    private func receiveAvailable() {
        unsafe _ = input.withSpareCapacity(65536) { memory, count in
            switch unsafe descriptor.read(into: memory, count: count) {
            case .bytes(let received): return received
            case .wouldBlock: return 0
            case .end, .failed:
                isEnded = true
                return 0
            }
        }
    }
}
