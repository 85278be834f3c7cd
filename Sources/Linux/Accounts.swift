import CLinux
import Glibc

/// Users and groups of the host, as its name service knows them (nsswitch.conf(5)).
///
/// A lookup may ask another machine: none of these belongs on the event loop once the agent serves.
public enum Accounts {
    /// The id of the user `name`; nil where there is none.
    public static func userID(_ name: String) -> UInt32? {
        var entry = unsafe passwd()
        return unsafe look { memory, count in
            var found: UnsafeMutablePointer<passwd>?
            let code = unsafe getpwnam_r(name, &entry, memory, count, &found)
            return unsafe (code, found.map { unsafe $0.pointee.pw_uid })
        }
    }

    /// The name of the user `id`; nil where there is none.
    public static func userName(_ id: UInt32) -> String? {
        var entry = unsafe passwd()
        return unsafe look { memory, count in
            var found: UnsafeMutablePointer<passwd>?
            let code = unsafe getpwuid_r(id, &entry, memory, count, &found)
            return unsafe (code, found.map { unsafe String(cString: $0.pointee.pw_name) })
        }
    }

    /// The id of the group `name`; nil where there is none.
    public static func groupID(_ name: String) -> UInt32? {
        var entry = unsafe group()
        return unsafe look { memory, count in
            var found: UnsafeMutablePointer<group>?
            let code = unsafe getgrnam_r(name, &entry, memory, count, &found)
            return unsafe (code, found.map { unsafe $0.pointee.gr_gid })
        }
    }

    /// Runs a lookup with memory for its texts, and again with more where it asks for more.
    @unsafe
    private static func look<Found>(
        _ body: (UnsafeMutablePointer<CChar>, Int) -> (code: Int32, found: Found?)
    ) -> Found? {
        var size = 4096
        while size <= 1 << 20 {
            let memory = UnsafeMutablePointer<CChar>.allocate(capacity: size)
            defer { unsafe memory.deallocate() }
            let (code, found) = unsafe body(memory, size)
            guard code == ERANGE else { return found }
            size *= 4
        }
        return nil
    }
}
