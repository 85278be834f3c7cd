import CLinux
import Glibc

/// One descriptor that a blocking program waits for, among few; the agent's loop uses ``Epoll``.
public struct Polling: Equatable, Sendable {
    /// The descriptor's number; a negative one is passed over.
    public let number: Int32
    /// What it is waited for.
    public let wanted: Readiness
    /// What it was ready for when the wait ended, a hang-up or failure included.
    public private(set) var ready: Readiness = []

    /// Wants `number` to become ready for `wanted`.
    public init(_ number: Int32, _ wanted: Readiness) {
        self.number = number
        self.wanted = wanted
    }

    /// Waits until one of `descriptors` is ready, or `deadline` passed (poll(2)).
    ///
    /// - Parameters:
    ///   - descriptors: What is waited for; receives what became ready.
    ///   - deadline: ``Instant/distantFuture`` waits without limit.
    /// - Returns: Whether one is ready; false when the deadline passed first.
    public static func wait(_ descriptors: inout [Polling], until deadline: Instant) -> Bool {
        // The bits of poll(2) and epoll(7) are the same on Linux.
        var list = descriptors.map {
            pollfd(fd: $0.number, events: Int16(truncatingIfNeeded: $0.wanted.rawValue), revents: 0)
        }
        while true {
            let count = unsafe poll(&list, nfds_t(list.count), milliseconds(until: deadline))
            if count > 0 {
                for index in list.indices {
                    descriptors[index].ready = Readiness(rawValue: UInt32(UInt16(bitPattern: list[index].revents)))
                }
                return true
            }
            if count < 0 {
                precondition(errno == EINTR, "poll failed")
            } else if Instant.now >= deadline {
                return false
            }
        }
    }

    /// Does nothing until `deadline`.
    public static func sleep(until deadline: Instant) {
        var nothing: [Polling] = []
        _ = wait(&nothing, until: deadline)
    }

    /// Rounded up, so that a wait does not end early and turn into a busy loop.
    private static func milliseconds(until deadline: Instant) -> Int32 {
        if deadline == .distantFuture { return -1 }
        let left = max(0, deadline.nanoseconds(since: .now))
        return Int32(clamping: (left + 999_999) / 1_000_000)
    }
}
