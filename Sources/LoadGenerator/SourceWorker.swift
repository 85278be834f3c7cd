import Bytes
import Linux

/// One worker of a ``SourceRun``, with its connection to the agent.
final class SourceWorker {
    /// What the agent answered.
    enum Reply {
        /// The entry is there; or, to a write, done.
        case hit
        /// It is not, and the worker is to compute it where there is a lease.
        case missed(lease: String?)
        /// The agent refused, in these words.
        case refused(String)
    }

    private let socket: FileDescriptor
    private var input = ByteBuffer()
    var output = ByteBuffer()
    /// Number of the key that is needed.
    var key = 0
    /// When it was needed.
    var begun: Int64 = 0
    /// What allows to write the entry.
    var lease: String?
    /// Whether the call under way writes the entry.
    var isWriting = false

    /// A worker with its connection to the agent; one of no file where no cache is used.
    init(_ socket: consuming FileDescriptor) {
        self.socket = socket
    }

    /// Sends the request; a request fits into the buffer of a socket that nothing else waits in.
    func flush() throws(LoadError) {
        let limit = Instant.now.advanced(milliseconds: 5000)
        while !output.isEmpty {
            switch socket.write(output.view) {
            case .bytes(let count): output.consume(count)
            case .wouldBlock:
                var waiting = [Polling(socket.number, .writable)]
                guard Polling.wait(&waiting, until: limit) else { throw LoadError("the agent takes no request") }
            case .end, .failed: throw LoadError("the agent closed a connection")
            }
        }
    }

    /// Reads what has come.
    ///
    /// - Returns: The reply, or nil where it is not complete.
    /// - Throws: ``LoadError`` where the connection is lost.
    func receive() throws(LoadError) -> Reply? {
        var transfer = Transfer.wouldBlock
        _ = unsafe input.withSpareCapacity(4096) { target, count in
            transfer = unsafe socket.read(into: target, count: count)
            guard case .bytes(let received) = transfer else { return 0 }
            return received
        }
        switch transfer {
        case .bytes: break
        case .wouldBlock: return nil
        case .end, .failed: throw LoadError("the agent closed a connection")
        }
        guard let end = input.view.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let reply = judge(input.view.prefix(end))
        input.consume(end + 1)
        return reply
    }

    private func judge(_ line: ByteView) -> Reply {
        switch ReplyFormat.judge(line: line, isWriting ? .set : .get) {
        case .refused: return .refused(line.prefix(min(500, line.count)).text())
        case .done, .doneFromMemory: return .hit
        case .missed:
            let mark = #""lease":""#
            let text = line.text()
            guard let start = text.firstRange(of: mark)?.upperBound else { return .missed(lease: nil) }
            return .missed(lease: String(text[start...].prefix { $0 != "\"" }))
        }
    }
}
