/// The commands of a pipeline in the order in which their replies come: a ring that grows by doubling.
struct RecordQueue {
    private var slots: [CommandRecord?] = Array(repeating: nil, count: 64)
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// The record at `position`, 0 for the one whose reply comes next.
    subscript(position: Int) -> CommandRecord {
        get {
            guard position < count, let record = slots[index(position)] else {
                preconditionFailure("no command at this position")
            }
            return record
        }
        set {
            precondition(position < count, "no command at this position")
            slots[index(position)] = newValue
        }
    }

    mutating func append(_ record: CommandRecord) {
        if count == slots.count { grow() }
        slots[index(count)] = record
        count += 1
    }

    @discardableResult
    mutating func removeFirst() -> CommandRecord {
        guard count > 0, let record = slots[head] else { preconditionFailure("no command waits for a reply") }
        slots[head] = nil
        head = (head + 1) & (slots.count - 1)
        count -= 1
        return record
    }

    mutating func removeAll() {
        self = RecordQueue()
    }

    private func index(_ position: Int) -> Int {
        (head + position) & (slots.count - 1)
    }

    private mutating func grow() {
        var wider: [CommandRecord?] = []
        wider.reserveCapacity(slots.count * 2)
        for position in 0..<count { wider.append(slots[index(position)]) }
        wider.append(contentsOf: repeatElement(nil, count: slots.count * 2 - count))
        slots = wider
        head = 0
    }
}
