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

/// The terminal of standard input, where this process has one: which process group may read from it.
public struct Terminal: Sendable {
    private let own: Int32

    /// The terminal that controls this process; nil where standard input is none.
    public init?() {
        own = getpgrp()
        guard isatty(0) == 1, tcgetpgrp(0) >= 0 else { return nil }
    }

    /// Gives the terminal to the group that `leader` leads, where it is this process' own to give.
    public func give(to leader: Int32) {
        if tcgetpgrp(0) == own { Terminal.set(leader) }
    }

    /// Gives the terminal that the group of `leader` has to this process' own group again.
    public func takeBack(from leader: Int32) {
        if tcgetpgrp(0) == leader { Terminal.set(own) }
    }

    /// Whether it is this process' own group that may read from it.
    public var isOwn: Bool { tcgetpgrp(0) == own }

    /// Stops this process' own group as the terminal would, and returns when the group goes on.
    public func stopOwnGroup() {
        squire_stop_own_group()
    }

    private static func set(_ group: Int32) {
        // Whoever is not in the foreground would be stopped for it (tcsetpgrp(3)).
        let previous = signal(SIGTTOU, SIG_IGN)
        tcsetpgrp(0, group)
        _ = signal(SIGTTOU, previous)
    }
}
