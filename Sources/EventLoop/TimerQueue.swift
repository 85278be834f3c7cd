public import Linux

/// A timer's name, by which it is cancelled.
public struct TimerID: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}

/// The loop's timers: a binary heap of moments.
///
/// It serves what happens rarely: reconnection, sweeps, the earliest deadline of a pipeline. Nothing on the path of a
/// request adds an entry.
@EventLoop
public final class TimerQueue {
    private struct Entry {
        var instant: Instant
        var sequence: UInt64
        var id: TimerID
    }

    private struct Slot {
        var generation: UInt32 = 0
        var action: (@EventLoop () -> Void)?
    }

    private var heap: [Entry] = []
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var sequence: UInt64 = 0

    /// Runs `action` on the loop at `instant`, or in the next turn where that has passed.
    ///
    /// - Returns: The name to cancel it by.
    /// - Complexity: O(log n).
    @discardableResult
    public func schedule(at instant: Instant, _ action: @escaping @EventLoop () -> Void) -> TimerID {
        let index = freeSlots.popLast() ?? UInt32(slots.count)
        if Int(index) == slots.count { slots.append(Slot()) }
        slots[Int(index)].action = action
        let id = TimerID(slot: index, generation: slots[Int(index)].generation)
        sequence += 1
        heap.append(Entry(instant: instant, sequence: sequence, id: id))
        siftUp(heap.count - 1)
        return id
    }

    /// Runs `action` once `duration` has passed.
    @discardableResult
    public func schedule(after duration: Duration, _ action: @escaping @EventLoop () -> Void) -> TimerID {
        schedule(at: Instant.now.advanced(by: duration), action)
    }

    /// Cancels a timer; one that fired or was cancelled is left alone.
    public func cancel(_ id: TimerID) {
        guard slots[Int(id.slot)].generation == id.generation else { return }
        release(id)
        while let first = heap.first, !isLive(first.id) {
            removeFirst()
        }
        if heap.count > 64, heap.count > 4 * (slots.count - freeSlots.count) {
            removeCancelled()
        }
    }

    /// Suspends the calling task until `instant`.
    public func sleep(until instant: Instant) async {
        unsafe await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            schedule(at: instant) { unsafe continuation.resume() }
        }
    }

    /// Suspends the calling task for `duration`.
    public func sleep(for duration: Duration) async {
        await sleep(until: Instant.now.advanced(by: duration))
    }

    /// The earliest moment, or ``Instant/distantFuture``.
    var next: Instant { heap.first?.instant ?? .distantFuture }

    /// Runs the timers that are due; those that they add for the past run in the next turn.
    func fire(until now: Instant) {
        let last = sequence
        while let first = heap.first, first.instant <= now, first.sequence <= last {
            removeFirst()
            guard isLive(first.id) else { continue }
            let action = slots[Int(first.id.slot)].action
            release(first.id)
            action?()
        }
    }

    private func isLive(_ id: TimerID) -> Bool {
        slots[Int(id.slot)].generation == id.generation
    }

    private func release(_ id: TimerID) {
        slots[Int(id.slot)].action = nil
        slots[Int(id.slot)].generation &+= 1
        freeSlots.append(id.slot)
    }

    private func removeCancelled() {
        let live = heap.filter { isLive($0.id) }
        heap = live.sorted { precedes($0, $1) }
    }

    private func precedes(_ left: Entry, _ right: Entry) -> Bool {
        left.instant == right.instant ? left.sequence < right.sequence : left.instant < right.instant
    }

    private func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, precedes(heap[child + 1], heap[child]) { child += 1 }
            guard precedes(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
