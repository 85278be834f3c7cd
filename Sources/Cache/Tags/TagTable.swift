import Bytes

/// The generations of tags that this agent knows, while Valkey tells of their changes.
///
/// The same rules as for copies of entries hold: what was asked for is known only where no news of the tag came since
/// the question, and no write of it runs (see ``NearCache``). A version belongs to a tag and to one knowledge of it, and
/// is never used again; a copy of an entry names its tags by number and version, so comparing two words tells whether
/// the copy still stands.
///
/// Pure: it knows no Valkey and no loop.
struct TagTable {
    /// A tag by its number, and what was known of it.
    struct Reference: Equatable {
        /// Place in the table.
        let number: UInt32
        /// Which knowledge of the tag.
        let version: UInt64
    }

    private struct Slot {
        var name: [UInt8] = []
        var version: UInt64 = 0
        var generation: [UInt8]?
        var writes = 0
    }

    private var slots: [Slot] = []
    private var numbers: [[UInt8]: UInt32] = [:]
    private var lastVersion: UInt64 = 0
    private var hand = 0
    /// Most tags that are known at once, those left aside that are being invalidated.
    let tagsMax: Int

    /// Knows nothing.
    init(tagsMax: Int = 1 << 16) {
        self.tagsMax = tagsMax
    }

    /// Tags that have a place in the table.
    var count: Int { numbers.count }

    /// What is known of a tag; nil where its generation is not.
    func known(_ name: [UInt8]) -> (reference: Reference, generation: [UInt8])? {
        guard let number = numbers[name], let generation = slots[Int(number)].generation else { return nil }
        return (Reference(number: number, version: slots[Int(number)].version), generation)
    }

    /// The full name of a tag; nil where the reference does not stand any more.
    func name(of reference: Reference) -> [UInt8]? {
        stands(reference) ? slots[Int(reference.number)].name : nil
    }

    /// Whether what a reference says is still what is known.
    func stands(_ reference: Reference) -> Bool {
        let index = Int(reference.number)
        return index < slots.count && slots[index].version == reference.version && slots[index].generation != nil
    }

    /// Takes note that a tag's generation is about to be asked for.
    mutating func ask(_ name: [UInt8]) -> Reference {
        let number = place(of: name)
        return Reference(number: number, version: slots[Int(number)].version)
    }

    /// Takes in the generation that an answer told, where nothing spoke against it since the question.
    ///
    /// - Parameters:
    ///   - generation: The generation; of no bytes where there is none.
    ///   - question: What ``ask(_:)`` returned.
    mutating func learn(_ generation: [UInt8], _ question: Reference) {
        let index = Int(question.number)
        guard index < slots.count, slots[index].version == question.version, slots[index].writes == 0 else { return }
        slots[index].generation = generation
    }

    /// Takes note that a tag may have changed.
    mutating func changed(_ name: [UInt8]) {
        if let number = numbers[name] { forget(Int(number)) }
    }

    /// Takes note that a tag is about to be invalidated by this agent.
    ///
    /// - Returns: Its number, which ``endWrite(_:)`` takes back.
    mutating func beginWrite(_ name: [UInt8]) -> UInt32 {
        let number = place(of: name)
        forget(Int(number))
        slots[Int(number)].writes += 1
        return number
    }

    /// Ends an invalidation, whatever came of it.
    mutating func endWrite(_ number: UInt32) {
        slots[Int(number)].writes -= 1
        forget(Int(number))
    }

    /// Takes note that any tag may have changed, or that changes are told no longer.
    mutating func forgetEverything() {
        for index in slots.indices { forget(index) }
    }

    private mutating func forget(_ index: Int) {
        lastVersion += 1
        slots[index].version = lastVersion
        slots[index].generation = nil
    }

    /// The number of a tag, which gets the place of another where there is no room.
    private mutating func place(of name: [UInt8]) -> UInt32 {
        if let number = numbers[name] { return number }
        var index = slots.count
        if index >= tagsMax {
            hand = (hand + 1) % slots.count
            // A tag that is being invalidated keeps its place; there are few.
            if slots[hand].writes == 0 { index = hand }
        }
        if index == slots.count {
            slots.append(Slot())
        } else {
            numbers[slots[index].name] = nil
        }
        slots[index].name = name
        forget(index)
        numbers[name] = UInt32(index)
        return UInt32(index)
    }
}
