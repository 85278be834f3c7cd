public import Bytes
import CLinux
import Glibc

/// Calls on descriptors that somebody else owns, such as that of a log; none of them waits.
public enum Descriptors {
    /// Whether a write to `number` would be taken at once.
    public static func isWritable(_ number: Int32) -> Bool {
        isReady(number, POLLOUT)
    }

    /// Whether a read from `number` would not wait, or what it stands for has happened.
    public static func isReadable(_ number: Int32) -> Bool {
        isReady(number, POLLIN)
    }

    /// Whether nobody holds the other end of the connection `number` any more.
    public static func isHungUp(_ number: Int32) -> Bool {
        isReady(number, POLLHUP)
    }

    private static func isReady(_ number: Int32, _ event: Int32) -> Bool {
        var request = pollfd(fd: number, events: Int16(event), revents: 0)
        return unsafe poll(&request, 1, 0) == 1 && request.revents & Int16(event) != 0
    }

    /// Device and inode of what `number` is open on, as `$JOURNAL_STREAM` has them: `8:1234`; nil where it is closed.
    public static func identity(of number: Int32) -> String? {
        var status = stat()
        guard unsafe fstat(number, &status) == 0 else { return nil }
        return "\(status.st_dev):\(status.st_ino)"
    }

    /// Writes all of `view`.
    ///
    /// - Returns: Whether all was taken.
    public static func write(_ view: ByteView, to number: Int32) -> Bool {
        var rest = view
        while !rest.isEmpty {
            let sent = unsafe rest.withUnsafeBytes { pointer, count in
                retryingInterrupts(on: number) { unsafe Glibc.write(number, pointer, count) }
            }
            guard sent > 0 else { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }
}
