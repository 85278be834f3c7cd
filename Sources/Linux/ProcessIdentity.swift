import CLinux
import Glibc

/// Who this process is.
public enum ProcessIdentity {
    /// The effective user's id; 0 is root.
    public static var userID: UInt32 { geteuid() }

    /// The process's id.
    public static var processID: Int32 { getpid() }
}

/// The host that this process runs on.
public enum Host {
    /// The host's name (gethostname(2)), or `localhost` where the kernel tells none.
    public static var name: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&bytes, bytes.count - 1) == 0, bytes[0] != 0 else { return "localhost" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
