/// Who holds what and who waits, as it ought to be: parties that do one thing at a time and ask in order.
struct DeadlockModel {
    struct Claim {
        let party: Int
        let weight: Int
    }

    /// One lock or semaphore.
    struct Resource {
        let capacity: Int
        var holds: [Claim] = []
        var queue: [Claim] = []

        var used: Int { holds.reduce(0) { $0 + $1.weight } }

        /// Grants to the first in the queue as long as there is room.
        mutating func settle() -> [Claim] {
            var granted: [Claim] = []
            while let first = queue.first, holds.isEmpty || used + first.weight <= capacity {
                holds.append(first)
                granted.append(first)
                queue.removeFirst()
            }
            return granted
        }
    }

    var resources: [Resource]

    /// Asks for something: whether it is had at once; else the party waits.
    mutating func ask(_ claim: Claim, of resource: Int) -> Bool {
        if resources[resource].queue.isEmpty, resources[resource].used + claim.weight <= resources[resource].capacity {
            resources[resource].holds.append(claim)
            return true
        }
        resources[resource].queue.append(claim)
        return false
    }

    /// The parties that wait.
    var waiting: Set<Int> { Set(resources.flatMap { $0.queue.map(\.party) }) }

    /// The parties that wait for ever, although everybody who does not wait lets go of all that he holds.
    var deadlocked: Set<Int> {
        var copy = self
        while true {
            let waiting = copy.waiting
            var isChanged = false
            for index in copy.resources.indices {
                copy.resources[index].holds.removeAll { !waiting.contains($0.party) }
                if !copy.resources[index].settle().isEmpty { isChanged = true }
            }
            if !isChanged { return copy.waiting }
        }
    }
}
