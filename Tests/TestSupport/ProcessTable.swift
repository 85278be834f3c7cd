import Glibc
import Linux

/// What the kernel tells about other processes.
public enum ProcessTable {
    /// Bytes of memory of process `processID` that are present.
    ///
    /// - Throws: `SystemError` where there is no such process.
    public static func residentBytes(of processID: Int32) throws -> Int {
        let fields = try File.text("/proc/\(processID)/statm").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else {
            throw FixtureError("/proc/\(processID)/statm does not tell the memory")
        }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    /// How long the main thread of process `processID` was ready to run and waited for a processor, since its start.
    ///
    /// - Throws: `SystemError` where there is no such process.
    public static func processorWait(of processID: Int32) throws -> Duration {
        // Time on a processor, time waiting for one, and turns: proc_pid_schedstat of the kernel's documentation.
        let fields = try File.text("/proc/\(processID)/schedstat").split(separator: " ")
        return .nanoseconds(fields.count > 1 ? Int64(fields[1]) ?? 0 : 0)
    }

    /// Ids of the processes that `processID` started and that run, in the order of their start.
    ///
    /// - Throws: `SystemError` where there is no such process.
    public static func children(of processID: Int32) throws -> [Int32] {
        var found: [Int32] = []
        for thread in File.names(in: "/proc/\(processID)/task") {
            let text = (try? File.text("/proc/\(processID)/task/\(thread)/children")) ?? ""
            found += text.split(separator: " ").compactMap { Int32(String($0)) }
        }
        guard File.exists("/proc/\(processID)") else {
            throw SystemError(code: ESRCH, operation: "look for children of \(processID)")
        }
        return found
    }

    /// The command line of process `processID`, its arguments separated by blanks; nil where it has ended.
    public static func commandLine(of processID: Int32) -> String? {
        guard let text = try? File.text("/proc/\(processID)/cmdline"), !text.isEmpty else { return nil }
        return text.split(separator: "\0").joined(separator: " ")
    }
}
