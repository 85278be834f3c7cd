import CLinux
import Glibc

/// What this process uses of the machine, as the kernel counts it.
public enum ProcessUsage {
    /// Time on processors so far, of all threads, in nanoseconds.
    public static var processorNanoseconds: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Descriptors that are open.
    public static var openDescriptors: Int { Directory.names(in: "/proc/self/fd").count }
}
