import CLinux
import Glibc

/// Who this process is.
public enum ProcessIdentity {
    /// The effective user's id; 0 is root.
    public static var userID: UInt32 { geteuid() }

    /// The process's id.
    public static var processID: Int32 { getpid() }
}
