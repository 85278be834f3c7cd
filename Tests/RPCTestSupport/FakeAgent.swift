import Bytes
import Glibc
import Linux

/// A stand-in for the agent: one thread that reads lines from a Unix socket and does with each what a test says.
///
/// It takes one connection after another, in a directory of its own that goes when it ends.
public final class FakeAgent: Sendable {
    /// What the agent does with a line.
    public enum Action: Sendable {
        /// Sends the text and a line feed.
        case send(String)
        /// Sends the text as it is.
        case sendRaw(String)
        /// Closes the connection.
        case close
        /// Closes the connection and the socket, and removes its path.
        case leave
    }

    /// Path of its directory.
    public let directory: String
    /// Path of its socket.
    public let path: String
    private let answer: @Sendable (String) -> [Action]
    private let stop: Int32
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var received: [String] = []

    private init(
        directory: String,
        stop: Int32,
        answer: @escaping @Sendable (String) -> [Action]
    ) {
        self.directory = directory
        path = "\(directory)/squire.sock"
        self.stop = stop
        self.answer = answer
    }

    /// The lines that came so far.
    public var lines: [String] { lock.withLock { unsafe received } }

    /// An agent that does with each line what `answer` says, for ``Script/serve(_:)`` to run.
    public struct Script: Sendable {
        private let answer: @Sendable (String) -> [Action]

        /// Takes the answer to each line.
        public init(_ answer: @escaping @Sendable (String) -> [Action]) {
            self.answer = answer
        }

        /// Runs `body` beside the agent.
        ///
        /// - Returns: What `body` returned.
        /// - Throws: What `body` throws, or `SystemError` where the agent cannot be set up.
        public func serve<Result>(_ body: (FakeAgent) throws -> Result) throws -> Result {
            try withTemporaryDirectory { directory in
                var ends: [Int32] = [0, 0]
                guard unsafe pipe(&ends) == 0 else { throw SystemError.current("pipe") }
                let agent = FakeAgent(directory: directory, stop: ends[0], answer: answer)
                let listener = try Socket.listen(unixPath: agent.path, backlog: 16).release()
                let thread = WorkerThread { agent.run(FileDescriptor(owning: listener)) }
                defer {
                    close(ends[1])
                    thread.join()
                    close(ends[0])
                }
                return try body(agent)
            }
        }
    }

    /// Takes connections until it is told to stop.
    private func run(_ listener: consuming FileDescriptor) {
        while wait(for: listener.number) {
            let number = Socket.accept(listener)
            guard number >= 0 else { continue }
            guard converse(FileDescriptor(owning: number)) else {
                unsafe unlink(path)
                return
            }
        }
    }

    /// Talks to one client until either side ends; false where the agent leaves.
    private func converse(_ connection: consuming FileDescriptor) -> Bool {
        var input: [UInt8] = []
        while wait(for: connection.number) {
            guard receive(connection, &input) else { return true }
            while let end = input.firstIndex(of: 0x0A) {
                let line = String(decoding: input[..<end], as: UTF8.self)
                input.removeSubrange(...end)
                lock.withLock { unsafe received.append(line) }
                for action in answer(line) {
                    switch action {
                    case .send(let text): send("\(text)\n", connection)
                    case .sendRaw(let text): send(text, connection)
                    case .close: return true
                    case .leave: return false
                    }
                }
            }
        }
        return true
    }

    /// Waits until `number` can be read; false where the test ended first.
    private func wait(for number: Int32) -> Bool {
        var waiting = [Polling(number, .readable), Polling(stop, .readable)]
        _ = Polling.wait(&waiting, until: .distantFuture)
        return waiting[1].ready.isEmpty
    }

    private func receive(_ connection: borrowing FileDescriptor, _ input: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
            guard let base = memory.baseAddress else { return Transfer.end }
            return unsafe connection.read(into: base, count: memory.count)
        }
        switch transfer {
        case .bytes(let count): input += chunk.prefix(count)
        case .wouldBlock: return true
        case .end, .failed: return false
        }
        return true
    }

    private func send(_ text: String, _ connection: borrowing FileDescriptor) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            switch Array(rest).withByteView({ connection.write($0) }) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .wouldBlock:
                var waiting = [Polling(connection.number, .writable), Polling(stop, .readable)]
                _ = Polling.wait(&waiting, until: .distantFuture)
                if !waiting[1].ready.isEmpty { return }
            case .end, .failed: return
            }
        }
    }
}
