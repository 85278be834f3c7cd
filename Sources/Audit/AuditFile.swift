import Bytes
import Glibc
import Linux

/// The file of a chain, on the writer's thread.
struct AuditFile: ~Copyable {
    private let path: String
    private let statePath: String
    private var state: AuditState
    private var file: OpenFile?
    /// Lines that are sealed and not in the file yet.
    private var unwritten = ByteBuffer()
    /// Lines of them.
    private var unwrittenCount: UInt64 = 0
    /// Bytes of the file that are whole lines.
    private var size = 0
    /// Lines written since the start.
    private(set) var count: UInt64 = 0
    private var headTold = Instant.now
    private var headSequence: UInt64

    /// The file while it is open, which may be replaced.
    private final class OpenFile {
        let descriptor: FileDescriptor

        init(_ descriptor: consuming FileDescriptor) {
            self.descriptor = descriptor
        }
    }

    /// Lines after which the head is told, and the time after which it is told where there were any.
    private static let headLines: UInt64 = 1000
    private static let headPeriod = Duration.seconds(60)
    /// Longest part of the file that is looked at for lines that the state does not know yet.
    private static let recoveredBytesMax = 64 << 20

    init(path: String, statePath: String, state: AuditState) {
        self.path = path
        self.statePath = statePath
        self.state = state
        headSequence = state.chain.next
    }

    /// Whether lines could not be written yet.
    var hasUnwritten: Bool { unwrittenCount > 0 }

    /// Opens the file at the path, goes on behind the lines that it has, and cuts off a line that a crash left half.
    ///
    /// - Returns: How many lines it had that the state did not know.
    mutating func open() throws(SystemError) -> Int {
        let file = try FileDescriptor.open(path, flags: O_RDWR | O_CREAT | O_APPEND | O_NOCTTY)
        let whole = file.fileBytes
        let (start, read) = end(of: file, size: whole)
        var tail = read
        let torn = tail.count - ((tail.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)
        if torn > 0, start == 0 || torn < tail.count {
            tail.removeLast(torn)
            guard ftruncate(file.number, off_t(whole - torn)) == 0 else { throw .current("ftruncate \(path)") }
        }
        size = start + tail.count
        let caughtUp = hasUnwritten ? 0 : state.catchUp(with: tail)
        self.file = OpenFile(file)
        return caughtUp
    }

    /// The end of the file: as much of it as holds every line that the state does not know.
    private func end(of file: borrowing FileDescriptor, size: Int) -> (start: Int, bytes: [UInt8]) {
        var length = 64 << 10
        while true {
            let start = max(0, size - length)
            let bytes = file.bytes(from: start, limit: size - start)
            let isEnough = start == 0 || length >= AuditFile.recoveredBytesMax || beginsBehind(bytes)
            if isEnough { return (start, bytes) }
            length *= 4
        }
    }

    /// Whether the first whole line of `bytes` is one that the state knows.
    private func beginsBehind(_ bytes: [UInt8]) -> Bool {
        bytes.withByteView { view in
            guard let first = view.firstIndex(of: UInt8(ascii: "\n")),
                let second = view.firstIndex(of: UInt8(ascii: "\n"), from: first + 1),
                let line = AuditLine(view[(first + 1)..<second])
            else { return false }
            return line.sequence < state.chain.next
        }
    }

    /// Seals a record; it waits for ``write()``.
    mutating func add(_ members: ByteView) {
        state.chain.seal(members, to: &unwritten)
        unwrittenCount += 1
    }

    /// Writes what waits, all of it or, where that fails, as if nothing had been begun.
    mutating func write() throws(SystemError) {
        guard hasUnwritten else { return }
        let total = unwritten.count
        var written = 0
        while written < total {
            let transfer = file?.descriptor.write(unwritten.view.dropFirst(written)) ?? .end
            switch transfer {
            case .bytes(let count): written += count
            case .failed(let error):
                // A line must be whole or not be there; what is no regular file has nothing to cut.
                if written > 0, let number = file?.descriptor.number { _ = ftruncate(number, off_t(size)) }
                throw error
            case .wouldBlock, .end: throw SystemError(code: EIO, operation: "write \(path)")
            }
        }
        size += total
        count += unwrittenCount
        unwrittenCount = 0
        unwritten.removeAll(keepingCapacityUpTo: 64 << 10)
    }

    /// Has the disk hold the file, then remembers where its chain goes on.
    mutating func writeState() throws(SystemError) {
        if let number = file?.descriptor.number { _ = fdatasync(number) }
        try state.write(to: statePath)
    }

    /// Whether the head is to be told.
    var isHeadDue: Bool {
        let lines = state.chain.next - headSequence
        let age = Instant.now.nanoseconds(since: headTold)
        return lines >= AuditFile.headLines || lines > 0 && age >= AuditFile.headPeriod.wholeNanoseconds
    }

    /// When the head is to be told of what has been written; nil where it has been.
    var headDue: Instant? {
        state.chain.next > headSequence ? headTold.advanced(by: AuditFile.headPeriod) : nil
    }

    /// The last line's number and code, which count as told from now on.
    mutating func tellHead() -> (sequence: UInt64, code: String) {
        headTold = .now
        headSequence = state.chain.next
        return (state.chain.next - 1, state.chain.head)
    }
}
