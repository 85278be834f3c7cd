public import Bytes
import CLinux
import Glibc

/// One of the three streams that a program begins with.
///
/// They stay open as long as the process; see ``openMissing()``.
public enum StandardStream: Int32, CaseIterable, Sendable {
    /// What the program reads.
    case input = 0
    /// What the program answers.
    case output = 1
    /// What the program says about its work.
    case error = 2

    /// Opens `/dev/null` in the place of each stream that the program was started without.
    ///
    /// The next socket or file would otherwise get the stream's number: what is written to the stream would go there, and
    /// a child would be given it. There is nothing to read then, words about the work go nowhere, and an answer cannot be
    /// written, since a caller who takes it for written would be wrong. Nothing may be opened before.
    ///
    /// - Throws: ``SystemError`` of open(2).
    public static func openMissing() throws(SystemError) {
        for stream in allCases where !isOpen(stream.rawValue) {
            // The lowest free number, which is this one, and stays open in children.
            let number = unsafe open("/dev/null", stream == .error ? O_WRONLY : O_RDONLY)
            guard number >= 0 else { throw .current("open /dev/null") }
            precondition(number == stream.rawValue, "something was opened before the standard streams")
        }
    }

    /// Whether a person sits at the other end.
    public var isTerminal: Bool { isatty(rawValue) == 1 }

    /// Writes all of `view`, waiting as often as needed.
    ///
    /// - Throws: ``SystemError`` of write(2): `EPIPE` where nobody reads any more, `EBADF` where the program was
    ///   started without the stream, which is no fault of the program.
    public func write(_ view: ByteView) throws(SystemError) {
        var sent = 0
        while sent < view.count {
            let rest = view.dropFirst(sent)
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(rawValue, $0, $1) }
            if written >= 0 {
                sent += written
            } else if errno == EAGAIN {
                var waiting = [Polling(rawValue, .writable)]
                _ = Polling.wait(&waiting, until: .distantFuture)
            } else if errno != EINTR {
                throw .current("write")
            }
        }
    }
}

extension FileDescriptor {
    /// Reads what is left, waiting as often as needed.
    ///
    /// - Parameter limit: Most bytes that are taken; more is `EFBIG`.
    /// - Returns: The bytes, none at the end of a file.
    /// - Throws: ``SystemError`` of read(2).
    public borrowing func readAll(limit: Int) throws(SystemError) -> [UInt8] {
        var buffer = ByteBuffer()
        while true {
            var transfer = Transfer.end
            unsafe _ = buffer.withSpareCapacity(65536) { memory, count in
                transfer = unsafe read(into: memory, count: count)
                guard case .bytes(let received) = transfer else { return 0 }
                return received
            }
            switch transfer {
            case .bytes:
                guard buffer.count <= limit else { throw SystemError(code: EFBIG, operation: "read") }
            case .wouldBlock:
                var waiting = [Polling(number, .readable)]
                _ = Polling.wait(&waiting, until: .distantFuture)
            case .end:
                return buffer.view.copy()
            case .failed(let error):
                throw error
            }
        }
    }
}
