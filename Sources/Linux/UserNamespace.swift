import Bytes
import Glibc

/// The user namespace of this process (user_namespaces(7)).
public enum UserNamespace {
    /// Whether it knows only a part of the host's user ids: the others are all shown as one.
    public static var hidesUsers: Bool {
        guard let file = try? FileDescriptor.open("/proc/self/uid_map", flags: O_RDONLY),
            let map = try? file.readAll(limit: 1 << 16)
        else { return false }
        let known = String(decoding: map, as: UTF8.self).split(separator: "\n").reduce(UInt64(0)) { sum, line in
            sum + (line.split(separator: " ").last.flatMap { UInt64($0) } ?? 0)
        }
        return known < UInt64(UInt32.max)
    }
}
