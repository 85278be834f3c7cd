public import Linux

/// Something that is told when its descriptor is ready.
@EventLoop
public protocol DescriptorHandler: AnyObject {
    /// Reads, writes or accepts as `readiness` says.
    ///
    /// Failures and hang-ups are told as readiness too; a read or write then shows the reason.
    func descriptorReady(_ readiness: Readiness)
}

/// Something that runs once at the end of a turn of the loop, after everything that was ready was served.
@EventLoop
public protocol TurnHandler: AnyObject {
    /// Sends what the turn gathered.
    func turnEnded()
}

/// A descriptor's place in the reactor.
public struct Registration: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}

/// The epoll loop: waits, tells handlers, runs jobs and timers, and lets writers gather a turn's output.
///
/// Events carry a slot and a generation, so one that was fetched before its descriptor was closed, and whose number the
/// kernel may have given to another, finds a newer generation and is dropped.
@EventLoop
public final class Reactor {
    private struct Slot {
        var handler: (any DescriptorHandler)?
        var generation: UInt32 = 0
        var number: Int32 = -1
    }

    /// The loop's timers.
    public let timers = TimerQueue()
    /// The moment at which the present turn began; cheaper than asking the clock, and at most a turn old.
    public var now: Instant { clock.now }
    /// The same for those who know no loop.
    public let clock = TurnClock()
    var isStopping = false

    private let epoll: Epoll
    private let alarm: AlarmDescriptor
    private var alarmInstant = Instant.distantFuture
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var turnHandlers: [any TurnHandler] = []

    private static let wakeupToken = UInt64.max
    private static let alarmToken = UInt64.max - 1

    init() {
        do throws(SystemError) {
            epoll = try Epoll()
            alarm = try AlarmDescriptor()
            try epoll.add(LoopExecutor.shared.descriptorNumber, token: Reactor.wakeupToken, .readable)
            try epoll.add(alarm.descriptor.number, token: Reactor.alarmToken, .readable)
        } catch {
            fatalError("the event loop cannot start: \(error)")
        }
    }

    /// Watches `descriptor`; `handler` is kept alive until ``remove(_:)``.
    ///
    /// - Throws: ``SystemError`` of epoll_ctl(2), such as `ENOSPC`.
    public func add(
        _ descriptor: borrowing FileDescriptor,
        _ wanted: Readiness,
        handler: any DescriptorHandler
    ) throws(SystemError) -> Registration {
        let index = freeSlots.popLast() ?? UInt32(slots.count)
        if Int(index) == slots.count { slots.append(Slot()) }
        let generation = slots[Int(index)].generation
        let registration = Registration(slot: index, generation: generation)
        do throws(SystemError) {
            try epoll.add(descriptor.number, token: token(registration), wanted)
        } catch {
            freeSlots.append(index)
            throw error
        }
        slots[Int(index)].handler = handler
        slots[Int(index)].number = descriptor.number
        return registration
    }

    /// Changes what a descriptor is watched for.
    public func modify(_ registration: Registration, _ wanted: Readiness) {
        let slot = slots[Int(registration.slot)]
        precondition(slot.generation == registration.generation, "a removed registration was modified")
        do throws(SystemError) {
            try epoll.modify(slot.number, token: token(registration), wanted)
        } catch {
            preconditionFailure("a watched descriptor was closed before its registration was removed: \(error)")
        }
    }

    /// Ends the watch, which comes before the descriptor is closed; events already fetched are dropped.
    public func remove(_ registration: Registration) {
        let index = Int(registration.slot)
        precondition(slots[index].generation == registration.generation, "a registration was removed twice")
        do throws(SystemError) {
            try epoll.remove(slots[index].number)
        } catch {
            preconditionFailure("a watched descriptor was closed before its registration was removed: \(error)")
        }
        slots[index].handler = nil
        slots[index].number = -1
        slots[index].generation &+= 1
        freeSlots.append(registration.slot)
    }

    /// Has `handler` told at the end of every turn, in the order of these calls.
    public func addTurnHandler(_ handler: any TurnHandler) {
        turnHandlers.append(handler)
    }

    func run() {
        // Whoever is asked to start may ask to stop at once.
        while !isStopping {
            turn()
        }
        isStopping = false
    }

    private func turn() {
        armAlarm()
        let count = epoll.wait(milliseconds: LoopExecutor.shared.hasJobs ? 0 : -1)
        clock.now = Instant.now
        for index in 0..<count {
            let event = epoll.event(index)
            dispatch(event.token, event.readiness)
        }
        timers.fire(until: now)
        LoopExecutor.shared.runJobs()
        for handler in turnHandlers {
            handler.turnEnded()
        }
    }

    private func dispatch(_ token: UInt64, _ readiness: Readiness) {
        switch token {
        case Reactor.wakeupToken:
            LoopExecutor.shared.acknowledgeWakeup()
        case Reactor.alarmToken:
            alarm.reset()
            alarmInstant = .distantFuture
        default:
            let index = Int(token & 0xffff_ffff)
            guard slots[index].generation == UInt32(token >> 32) else { return }
            slots[index].handler?.descriptorReady(readiness)
        }
    }

    /// Sets the alarm only for a moment earlier than the one it is set for; a later one costs a wasted ring at most.
    private func armAlarm() {
        let next = timers.next
        guard next < alarmInstant else { return }
        alarm.set(next)
        alarmInstant = next
    }

    private func token(_ registration: Registration) -> UInt64 {
        UInt64(registration.generation) << 32 | UInt64(registration.slot)
    }
}
