import CLinux
import Glibc

/// Process groups: what a shell starts together, and signals together.
public enum ProcessGroup {
    /// Sends a signal to everybody of the group that `leader` leads or led; does nothing where nobody is left.
    public static func signal(_ leader: Int32, _ number: Int32) {
        _ = squire_group_signal(leader, number)
    }

    /// Whether anybody of the group that `leader` leads or led is left.
    public static func exists(_ leader: Int32) -> Bool {
        squire_group_signal(leader, 0) == 0 || errno == EPERM
    }
}

/// The terminal of standard input, where this process has it: which process group may read from it.
public struct Terminal: Sendable {
    private let own: Int32

    /// Gives the terminal to the group that `leader` leads; nil where this process has none to give.
    public init?(givenTo leader: Int32) {
        own = getpgrp()
        guard isatty(0) == 1, tcgetpgrp(0) == own else { return nil }
        Terminal.set(leader)
    }

    /// Gives the terminal to this process' own group again.
    public func takeBack() {
        Terminal.set(own)
    }

    private static func set(_ group: Int32) {
        // Whoever is not in the foreground would be stopped for it (tcsetpgrp(3)).
        let previous = signal(SIGTTOU, SIG_IGN)
        tcsetpgrp(0, group)
        _ = signal(SIGTTOU, previous)
    }
}

extension ProcessEnvironment {
    /// The variables of this process: `NAME=value` each.
    public static var all: [String] {
        var entries: [String] = []
        var next = unsafe squire_environment()
        while let entry = unsafe next?.pointee {
            entries.append(unsafe String(cString: entry))
            unsafe next = next?.advanced(by: 1)
        }
        return entries
    }
}
