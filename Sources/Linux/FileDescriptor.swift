public import Bytes
import CLinux
import Glibc

/// An open descriptor, closed when the value ends.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The kernel's number for it.
    public let number: Int32

    /// Takes over the open descriptor `number`.
    public init(owning number: Int32) {
        self.number = number
    }

    deinit {
        close(number)
    }

    /// Opens the file at `path`, closed on exec.
    ///
    /// - Parameters:
    ///   - path: A path without a NUL.
    ///   - flags: As of open(2).
    ///   - mode: Permissions of a file that the call creates.
    /// - Returns: The open file.
    /// - Throws: ``SystemError`` of open(2).
    public static func open(
        _ path: String,
        flags: Int32,
        mode: UInt32 = 0o600
    ) throws(SystemError) -> FileDescriptor {
        let number = retryingInterrupts { unsafe squire_open(path, flags, mode) }
        guard number >= 0 else { throw .current("open \(path)") }
        return FileDescriptor(owning: number)
    }

    /// Gives the number away: the receiver closes it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// Reads once into `memory`.
    @unsafe
    public borrowing func read(into memory: UnsafeMutablePointer<UInt8>, count: Int) -> Transfer {
        let number = number
        let received = retryingInterrupts(on: number) { unsafe Glibc.read(number, memory, count) }
        if received > 0 { return .bytes(received) }
        if received == 0 { return .end }
        return errno == EAGAIN ? .wouldBlock : .failed(.current("read"))
    }

    /// Writes once from `view`.
    ///
    /// - Returns: ``Transfer/bytes(_:)`` with what the kernel took, which may be less than all.
    public borrowing func write(_ view: ByteView) -> Transfer {
        let number = number
        let sent = unsafe view.withUnsafeBytes { pointer, count in
            retryingInterrupts { unsafe send(number, pointer, count, Int32(MSG_NOSIGNAL)) }
        }
        if sent >= 0 { return .bytes(sent) }
        if errno == ENOTSOCK { return writeFile(view) }
        return errno == EAGAIN ? .wouldBlock : .failed(.current("write"))
    }

    private borrowing func writeFile(_ view: ByteView) -> Transfer {
        let number = number
        let sent = unsafe view.withUnsafeBytes { pointer, count in
            retryingInterrupts(on: number) { unsafe Glibc.write(number, pointer, count) }
        }
        if sent >= 0 { return .bytes(sent) }
        return errno == EAGAIN ? .wouldBlock : .failed(.current("write"))
    }
}

/// What one read or write did.
public enum Transfer {
    /// So many bytes, at least one when reading.
    case bytes(Int)
    /// Nothing now: wait until the descriptor is ready.
    case wouldBlock
    /// The other side will send nothing more.
    case end
    /// The descriptor is of no more use.
    case failed(SystemError)
}
