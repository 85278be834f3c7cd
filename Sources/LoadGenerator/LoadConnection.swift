import Bytes
import Linux

/// One connection of a load with the calls that are under way on it.
///
/// A call is a slot: when it began, and which operation it is. Slots of an agent's calls are named by the id, those of
/// servers that answer in order by their place in a ring.
final class LoadConnection {
    /// What a call turned out to be.
    struct Answer {
        let operation: Workload.Operation
        let reply: Reply
        /// When it began, or with a rate was to begin.
        let begun: Int64
    }

    let socket: FileDescriptor
    /// What epoll's events for it carry: its place among the load's connections.
    let token: Int
    private let language: LoadTarget.Language
    private let pipeline: Int
    private var begun: [Int64]
    private var operations: [Workload.Operation]
    private var free: [Int]
    private var next = 0
    private var oldest = 0
    private var output = ByteBuffer()
    private var partial = ByteBuffer()
    /// Bytes at the front of `partial` that are known to hold no line feed.
    private var searched = 0
    /// Calls under way.
    private(set) var running = 0
    /// Whether epoll is asked to tell when the socket takes output.
    var isWatchedForOutput = false
    /// Calls that were due and have not begun, because the pipeline is full.
    var owed = 0
    /// Number in the schedule of the connection's next call.
    var nextCall: Int
    /// What the server said when it refused for the first time.
    private(set) var refusal: String?

    init(_ socket: consuming FileDescriptor, _ language: LoadTarget.Language, pipeline: Int, token: Int) {
        self.socket = socket
        self.token = token
        nextCall = token
        self.language = language
        self.pipeline = pipeline
        begun = [Int64](repeating: 0, count: pipeline)
        operations = [Workload.Operation](repeating: .ping, count: pipeline)
        free = Array((0..<pipeline).reversed())
    }

    /// Whether one more call may begin.
    var hasRoom: Bool { running < pipeline }

    /// Whether requests wait until the socket takes them.
    var hasOutput: Bool { !output.isEmpty }

    /// Begins a call; it leaves with ``flush()``.
    func begin(
        _ operation: Workload.Operation,
        _ template: RequestTemplate,
        _ keys: inout KeySequence,
        at moment: Int64
    ) {
        let slot: Int
        if language == .calls {
            slot = free.removeLast()
        } else {
            slot = next
            next = next + 1 == pipeline ? 0 : next + 1
        }
        begun[slot] = moment
        operations[slot] = operation
        running += 1
        template.append(to: &output, slot: slot, keys: &keys)
    }

    /// Sends what waits, as far as the kernel takes it.
    ///
    /// - Throws: ``LoadError`` where the connection is lost.
    func flush() throws(LoadError) {
        while !output.isEmpty {
            switch socket.write(output.view) {
            case .bytes(let count): output.consume(count)
            case .wouldBlock: return
            case .end: throw LoadError("the server closed a connection")
            case .failed(let error): throw LoadError("a connection failed: \(error.reason)")
            }
        }
    }

    /// Reads once.
    ///
    /// - Parameters:
    ///   - memory: Where to read to while no reply is incomplete.
    ///   - body: Receives each answer.
    /// - Returns: Whether anything came.
    /// - Throws: ``LoadError`` where the connection is lost or what comes is no reply.
    func receive(
        _ memory: borrowing ReadMemory,
        _ body: (Answer) -> Void
    ) throws(LoadError) -> Bool {
        guard partial.isEmpty else { return try receiveRest(body) }
        let transfer = unsafe socket.read(into: memory.base, count: memory.count)
        guard case .bytes(let count) = transfer else {
            try Self.check(transfer)
            return false
        }
        let view = unsafe ByteView(base: memory.base, count: count)
        let taken = try take(view, searched: 0, body)
        if taken < count {
            partial.append(view.dropFirst(taken))
            searched = count - taken
        }
        return true
    }

    /// Reads behind a reply that was incomplete.
    private func receiveRest(_ body: (Answer) -> Void) throws(LoadError) -> Bool {
        var transfer = Transfer.wouldBlock
        _ = unsafe partial.withSpareCapacity(ReadMemory.size) { target, count in
            transfer = unsafe socket.read(into: target, count: count)
            guard case .bytes(let received) = transfer else { return 0 }
            return received
        }
        guard case .bytes = transfer else {
            try Self.check(transfer)
            return false
        }
        let taken = try take(partial.view, searched: searched, body)
        partial.consume(taken)
        searched = partial.count
        return true
    }

    private static func check(_ transfer: Transfer) throws(LoadError) {
        switch transfer {
        case .bytes, .wouldBlock: return
        case .end: throw LoadError("the server closed a connection")
        case .failed(let error): throw LoadError("a connection failed: \(error.reason)")
        }
    }

    /// Takes complete replies off the front of `view`.
    ///
    /// - Returns: Bytes taken.
    private func take(_ view: ByteView, searched: Int, _ body: (Answer) -> Void) throws(LoadError) -> Int {
        language == .commands
            ? try takeReplies(view, body)
            : try takeLines(view, searched: searched, body)
    }

    private func takeLines(_ view: ByteView, searched: Int, _ body: (Answer) -> Void) throws(LoadError) -> Int {
        var start = 0
        var from = searched
        while let end = view.firstIndex(of: UInt8(ascii: "\n"), from: from) {
            if language == .lines {
                self.end(inOrder: .done, body)
            } else {
                let line = view[start..<end]
                guard let slot = ReplyFormat.slot(ofLine: line), operations.indices.contains(slot) else {
                    throw LoadError(
                        "the server answered with something else: \(line.prefix(min(200, line.count)).text())"
                    )
                }
                let operation = operations[slot]
                let reply = ReplyFormat.judge(line: line, operation)
                if reply == .refused { note(line) }
                free.append(slot)
                running -= 1
                body(Answer(operation: operation, reply: reply, begun: begun[slot]))
            }
            start = end + 1
            from = start
        }
        return start
    }

    private func takeReplies(_ view: ByteView, _ body: (Answer) -> Void) throws(LoadError) -> Int {
        var start = 0
        while start < view.count, let end = ReplyFormat.end(ofCommand: view, from: start) {
            guard running > 0 else { throw LoadError("the server answered more than it was asked") }
            let reply = ReplyFormat.judge(command: view, from: start, operations[oldest])
            if reply == .refused { note(view[start..<end - 2]) }
            self.end(inOrder: reply, body)
            start = end
        }
        return start
    }

    private func note(_ reply: ByteView) {
        if refusal == nil { refusal = reply.prefix(min(500, reply.count)).text() }
    }

    private func end(inOrder reply: Reply, _ body: (Answer) -> Void) {
        let slot = oldest
        oldest = oldest + 1 == pipeline ? 0 : oldest + 1
        running -= 1
        body(Answer(operation: operations[slot], reply: reply, begun: begun[slot]))
    }
}

/// Memory that all connections of a load read into, one after the other.
@safe
struct ReadMemory: ~Copyable {
    /// Bytes of it: more than the socket of a connection usually holds.
    static let size = 256 << 10

    let base: UnsafeMutablePointer<UInt8>
    let count = ReadMemory.size

    init() {
        unsafe base = .allocate(capacity: ReadMemory.size)
    }

    deinit {
        unsafe base.deallocate()
    }
}
