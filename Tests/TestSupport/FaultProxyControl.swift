import Glibc
import Linux

/// What a proxy's thread and the tests share.
final class FaultProxyControl: Sendable {
    /// A reset that waits for the connection which next sends something.
    struct ArmedReset: Sendable {
        let direction: FaultProxy.Direction
        let offset: Int
    }

    /// What the thread is to do.
    struct Orders: Sendable {
        var number = 0
        var faults = FaultProxy.Faults.none
        var armedReset: ArmedReset?
        var resetsAll = false
        var finishedDirections: [FaultProxy.Direction] = []
        var isOver = false
    }

    /// Most commands that are recorded; the later ones are only passed on.
    static let commandsMax = 1_000_000

    let wake: EventCounter
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var orders = Orders()
    nonisolated(unsafe) private var obeyed = 0
    nonisolated(unsafe) private var counters = FaultProxy.Counters()
    nonisolated(unsafe) private var recorded: [FaultProxy.Command] = []

    init() throws(SystemError) {
        wake = try EventCounter()
    }

    /// Gives an order and waits until it is carried out, which takes one turn of the thread.
    ///
    /// - Parameter change: Adds to the orders.
    func order(_ change: (inout Orders) -> Void) {
        let number = lock.withLock {
            unsafe change(&orders)
            unsafe orders.number += 1
            return unsafe orders.number
        }
        wake.signal()
        while !lock.withLock({ unsafe obeyed >= number || orders.isOver }) { usleep(50) }
    }

    /// The orders since the last call, with the faults that are in force.
    func takeOrders() -> Orders {
        lock.withLock {
            let taken = unsafe orders
            unsafe orders = Orders()
            unsafe orders.number = taken.number
            unsafe orders.faults = taken.faults
            unsafe orders.isOver = taken.isOver
            return taken
        }
    }

    func publish(_ counters: FaultProxy.Counters, upTo number: Int) {
        lock.withLock {
            unsafe self.counters = counters
            unsafe obeyed = number
        }
    }

    func record(_ command: FaultProxy.Command) {
        lock.withLock {
            if unsafe recorded.count < Self.commandsMax { unsafe recorded.append(command) }
        }
    }

    var currentFaults: FaultProxy.Faults { lock.withLock { unsafe orders.faults } }

    /// The counters as of now.
    func currentCounters() -> FaultProxy.Counters {
        order { _ in }
        return lock.withLock { unsafe counters }
    }

    /// The commands recorded up to now.
    func commands() -> [FaultProxy.Command] {
        order { _ in }
        return lock.withLock { unsafe recorded }
    }

    func forgetCommands() {
        order { _ in }
        lock.withLock { unsafe recorded.removeAll() }
    }
}
