import Bytes
import JSON
import Linux
import RPCClient
import RPCUsage

/// Carries requests from standard input to the agent and replies back, a line each, all under way at once (`rpc -`).
struct RequestStream: ~Copyable {
    /// While so many bytes wait to be sent, no more are read.
    private static let unsentBytesMax = 1 << 20
    /// Most bytes of one request; the agent takes 8 MiB unless configured otherwise.
    private static let lineBytesMax = 64 << 20

    private let client: RPCClient
    private let console: Console
    private let timeout: Duration?
    private var input = ByteBuffer()
    private var isInputEnded = false
    private var unanswered = 0
    private var status = ExitStatus.done

    /// Prepares to carry.
    ///
    /// - Parameters:
    ///   - client: A connection that nobody else uses.
    ///   - console: Where requests come from and replies go.
    ///   - timeout: Longest silence while replies are due; nil waits as long as the agent lives.
    init(_ client: RPCClient, _ console: Console, timeout: Duration?) {
        self.client = client
        self.console = console
        self.timeout = timeout
    }

    /// Carries until the input ended and every request is answered.
    ///
    /// - Returns: ``ExitStatus/errorReply`` where one reply was an error, else ``ExitStatus/done``.
    /// - Throws: ``CommandError`` `.unreachable`, `.deadlineExceeded`.
    mutating func run() throws(CommandError) -> ExitStatus {
        while true {
            try forwardReplies()
            if isInputEnded, unanswered <= 0, client.unsentBytes == 0 { return status }
            let takesInput = !isInputEnded && client.unsentBytes < Self.unsentBytesMax
            let limit = unanswered <= 0 ? nil : timeout
            let step = client.exchange(
                alongside: takesInput ? console.input : nil,
                until: limit.map { Instant.now.advanced(by: $0) } ?? .distantFuture
            )
            guard step.isInTime else {
                throw CommandError(.deadlineExceeded, "no reply in time; replies due: \(unanswered)")
            }
            if step.isOtherReady { try readInput() }
        }
    }

    private mutating func forwardReplies() throws(CommandError) {
        while let line = try nextReply() {
            if let message = JSONFragment(line), message["method"] == nil {
                unanswered -= 1
                if message["error"] != nil || message.elements.contains(where: { $0["error"] != nil }) {
                    status = .errorReply
                }
            }
            try console.write(line + [0x0A])
        }
    }

    private func nextReply() throws(CommandError) -> [UInt8]? {
        do throws(RPCClientError) {
            return try client.bufferedLine()
        } catch {
            if error.code == .closed, isInputEnded, unanswered <= 0 { return nil }
            throw CommandError(.unreachable, "\(error.message); replies due: \(unanswered)")
        }
    }

    private mutating func readInput() throws(CommandError) {
        switch receive() {
        case .wouldBlock:
            return
        case .failed(let error):
            throw .usage("standard input cannot be read: \(error.reason)")
        case .end:
            isInputEnded = true
            send(input.view.copy())
            input.removeAll()
        case .bytes:
            while let end = input.view.firstIndex(of: 0x0A) {
                send(input.view.prefix(end).copy())
                input.consume(end + 1)
            }
        }
        guard input.count <= Self.lineBytesMax else {
            throw .usage("a request has more than \(Self.lineBytesMax) bytes")
        }
    }

    private mutating func receive() -> Transfer {
        var transfer = Transfer.end
        unsafe _ = input.withSpareCapacity(65536) { memory, count in
            transfer = console.withInput { unsafe $0.read(into: memory, count: count) }
            guard case .bytes(let received) = transfer else { return 0 }
            return received
        }
        return transfer
    }

    private mutating func send(_ line: [UInt8]) {
        guard line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { return }
        if Self.expectsReply(line) { unanswered += 1 }
        client.enqueue(line + [0x0A])
    }

    /// Whether the agent answers a line: all but a notification, and a batch of nothing else, gets one line back.
    private static func expectsReply(_ line: [UInt8]) -> Bool {
        guard let message = JSONFragment(line) else { return true }
        let elements = message.kind == .array ? message.elements : [message]
        return elements.isEmpty || !elements.allSatisfy { isNotification($0) }
    }

    private static func isNotification(_ message: JSONFragment) -> Bool {
        let params = message["params"]?.kind ?? .object
        return message["id"] == nil && message["method"]?.string != nil && message["jsonrpc"]?.string == "2.0"
            && (params == .object || params == .array)
    }
}
