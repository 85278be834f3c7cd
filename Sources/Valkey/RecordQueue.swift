/// The commands of a pipeline in the order in which their replies come: a ring that grows by doubling.
///
/// Records own nothing, so putting one in and taking it out are copies of a few words.
@safe
struct RecordQueue: ~Copyable {
    private var slots: UnsafeMutablePointer<CommandRecord>
    /// A power of two.
    private var capacity = 64
    private var head = 0
    private(set) var count = 0

    init() {
        unsafe slots = .allocate(capacity: capacity)
    }

    deinit {
        unsafe slots.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    /// The record at `position`, 0 for the one whose reply comes next.
    subscript(position: Int) -> CommandRecord {
        get { unsafe self.slot(position).pointee }
        set { unsafe self.slot(position).pointee = newValue }
    }

    /// The record whose reply comes next, in its place; lent until the queue changes.
    @unsafe var first: UnsafeMutablePointer<CommandRecord> { unsafe slot(0) }

    mutating func append(_ record: CommandRecord) {
        if count == capacity { grow() }
        unsafe (slots + ((head + count) & (capacity - 1))).initialize(to: record)
        count += 1
    }

    @discardableResult
    mutating func removeFirst() -> CommandRecord {
        let record = unsafe slot(0).pointee
        head = (head + 1) & (capacity - 1)
        count -= 1
        return record
    }

    mutating func removeAll() {
        self = RecordQueue()
    }

    private func slot(_ position: Int) -> UnsafeMutablePointer<CommandRecord> {
        precondition(position < count, "no command at this position")
        return unsafe slots + ((head + position) & (capacity - 1))
    }

    private mutating func grow() {
        let wider = UnsafeMutablePointer<CommandRecord>.allocate(capacity: 2 * capacity)
        for position in 0..<count { unsafe (wider + position).initialize(to: slot(position).pointee) }
        unsafe slots.deallocate()
        unsafe slots = wider
        capacity *= 2
        head = 0
    }
}
