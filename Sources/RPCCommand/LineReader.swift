import Bytes
import Linux
import RPCUsage

/// Reads a file or standard input line by line, in memory for one line and a block.
struct LineReader: ~Copyable {
    /// Most bytes of one line.
    static let lineBytesMax = 64 << 20
    private static let blockBytes = 256 << 10

    private let descriptor: FileDescriptor
    private let name: String
    private var input = ByteBuffer()
    /// Bytes at the front of `input` that are known to hold no line feed.
    private var searched = 0
    private var isEnded = false
    /// Number of the line that was read last, from 1.
    private(set) var line = 0
    /// Bytes up to the end of the line that was read last.
    private(set) var offset = 0

    /// Reads from a descriptor, which it closes; `name` is for messages.
    init(_ descriptor: consuming FileDescriptor, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// The next line without its end, or nil after the last; the last one may lack its line feed.
    ///
    /// - Throws: ``CommandError`` `.usage` where the file cannot be read or a line is too long.
    mutating func next() throws(CommandError) -> [UInt8]? {
        while true {
            if let end = input.view.firstIndex(of: 0x0A, from: searched) { return take(end, ending: 1) }
            searched = input.count
            if isEnded { return input.isEmpty ? nil : take(input.count, ending: 0) }
            guard input.count <= Self.lineBytesMax else {
                throw .usage("\(name): line \(line + 1) has more than \(Self.lineBytesMax) bytes")
            }
            try fill()
        }
    }

    private mutating func take(_ count: Int, ending: Int) -> [UInt8] {
        var bytes = input.view.prefix(count).copy()
        input.consume(count + ending)
        searched = 0
        line += 1
        offset += count + ending
        if bytes.last == 0x0D { bytes.removeLast() }
        return bytes
    }

    private mutating func fill() throws(CommandError) {
        var failure: SystemError?
        var isBlocked = false
        unsafe _ = input.withSpareCapacity(Self.blockBytes) { memory, count in
            switch unsafe descriptor.read(into: memory, count: count) {
            case .bytes(let received): return received
            case .wouldBlock: isBlocked = true
            case .end: isEnded = true
            case .failed(let error): failure = error
            }
            return 0
        }
        if let failure { throw .usage("\(name) cannot be read: \(failure.reason)") }
        guard isBlocked else { return }
        var waiting = [Polling(descriptor.number, .readable)]
        _ = Polling.wait(&waiting, until: .distantFuture)
    }
}
