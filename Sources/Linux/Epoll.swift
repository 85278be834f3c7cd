import CLinux
import Glibc

/// What a descriptor is ready for, or wanted for.
public struct Readiness: OptionSet, Sendable {
    /// The kernel's bits (`EPOLLIN` and so on).
    public let rawValue: UInt32

    /// Readiness with these bits.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Something can be read, or the other side closed.
    public static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    /// Something can be written.
    public static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    /// The descriptor failed; always reported.
    public static let failed = Readiness(rawValue: EPOLLERR.rawValue)
    /// Both directions are closed; always reported.
    public static let hungUp = Readiness(rawValue: EPOLLHUP.rawValue)
}

/// The kernel's list of descriptors that somebody waits for (epoll(7), level-triggered).
@safe
public struct Epoll: ~Copyable {
    private let descriptor: FileDescriptor
    private let events: UnsafeMutablePointer<squire_event>

    /// Makes an empty list.
    ///
    /// - Throws: ``SystemError`` of epoll_create1(2).
    public init() throws(SystemError) {
        let number = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard number >= 0 else { throw .current("epoll_create1") }
        descriptor = FileDescriptor(owning: number)
        unsafe events = .allocate(capacity: Int(SQUIRE_EVENTS_MAX))
    }

    deinit {
        unsafe events.deallocate()
    }

    /// Number of the list's own descriptor, which is readable when an event waits.
    public var descriptorNumber: Int32 { descriptor.number }

    /// Begins to watch `number`; its events carry `token`.
    public borrowing func add(_ number: Int32, token: UInt64, _ wanted: Readiness) throws(SystemError) {
        try control(EPOLL_CTL_ADD, number, token, wanted)
    }

    /// Changes what `number` is watched for.
    public borrowing func modify(_ number: Int32, token: UInt64, _ wanted: Readiness) throws(SystemError) {
        try control(EPOLL_CTL_MOD, number, token, wanted)
    }

    /// Ends the watch of `number`.
    public borrowing func remove(_ number: Int32) throws(SystemError) {
        try control(EPOLL_CTL_DEL, number, 0, [])
    }

    /// Waits until something is ready.
    ///
    /// - Parameter milliseconds: At most so long; -1 waits without limit, 0 only looks.
    /// - Returns: Number of events, 0...256, to be read by ``event(_:)``.
    public borrowing func wait(milliseconds: Int32) -> Int {
        let count = unsafe squire_epoll_wait(descriptor.number, events, milliseconds)
        if count >= 0 { return Int(count) }
        precondition(errno == EINTR, "epoll_wait failed")
        return 0
    }

    /// Waits until something is ready, with a limit finer than milliseconds.
    ///
    /// - Parameter nanoseconds: At most so long; 0 only looks.
    /// - Returns: Number of events, 0...256, to be read by ``event(_:)``.
    public borrowing func wait(nanoseconds: Int64) -> Int {
        let count = unsafe squire_epoll_wait_precisely(descriptor.number, events, nanoseconds)
        if count >= 0 { return Int(count) }
        precondition(errno == EINTR, "epoll_pwait2 failed")
        return 0
    }

    /// The event at `index` of the last wait.
    public borrowing func event(_ index: Int) -> (token: UInt64, readiness: Readiness) {
        let event = unsafe events[index]
        return (event.token, Readiness(rawValue: event.events))
    }

    private borrowing func control(
        _ operation: Int32,
        _ number: Int32,
        _ token: UInt64,
        _ wanted: Readiness
    ) throws(SystemError) {
        let result = squire_epoll_control(descriptor.number, operation, number, wanted.rawValue, token)
        guard result == 0 else { throw .current("epoll_ctl") }
    }
}
