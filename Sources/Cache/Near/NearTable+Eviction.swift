/// S3-FIFO: a small queue on probation, a main queue with second chances, and a memory of those that left the small one.
extension NearTable {
    /// Entries that are looked at before a page of another size of blocks is emptied instead.
    private static let looksMax = 64

    /// Makes room for an entry of `size` bytes within the bound.
    ///
    /// - Returns: Whether there is room.
    mutating func makeRoom(for size: Int) -> Bool {
        var looks = 0
        while bytes + pages.growthBytes(for: size) + index.growthBytes > bytesMax || !pages.hasNumber(for: size) {
            guard count > 0 else {
                // What is left is the memory of an index that was larger, and of names long gone.
                guard index.bytes + ghosts.bytes > 0 else { return false }
                index.removeAll()
                ghosts.removeAll()
                continue
            }
            if looks < NearTable.looksMax {
                looks += 1
                evictOne()
            } else {
                // Blocks of other sizes become free one by one, and none of their pages does: one page is emptied.
                looks = 0
                evictPage()
            }
        }
        return true
    }

    /// Lets one entry go.
    private mutating func evictOne() {
        while count > 0 {
            let isSmallsTurn = main.back == .none || small.bytes * NearTable.smallDivisor > bytesMax
            if isSmallsTurn, small.back != .none {
                if passOn(small.back) { return }
            } else if secondChance(main.back) {
                return
            }
        }
    }

    /// Moves the oldest entry of the small queue to the main one where it was asked for more than once, else lets it go.
    ///
    /// - Returns: Whether it went.
    private mutating func passOn(_ reference: BlockReference) -> Bool {
        let header = unsafe pages.header(reference)
        if unsafe header.pointee.uses > 1 {
            unsafe unlink(reference, header.pointee)
            unsafe header.pointee.uses = 0
            push(reference, to: .main)
            return false
        }
        unsafe ghosts.insert(header.pointee.hash, capacity: count)
        evict(reference)
        return true
    }

    /// Moves the oldest entry of the main queue to its front where it was asked for, else lets it go.
    ///
    /// - Returns: Whether it went.
    private mutating func secondChance(_ reference: BlockReference) -> Bool {
        let header = unsafe pages.header(reference)
        if unsafe header.pointee.uses > 0 {
            unsafe unlink(reference, header.pointee)
            unsafe header.pointee.uses -= 1
            push(reference, to: .main)
            return false
        }
        evict(reference)
        return true
    }

    /// Empties the page of several that has the fewest bytes in use.
    private mutating func evictPage() {
        var best: (number: Int, used: Int)?
        for _ in 0..<8 {
            let start = Int.random(in: 0..<pages.numbers)
            guard let number = (start..<pages.numbers).first(where: { pages.usedBytes(ofPage: $0) > 0 }) else {
                continue
            }
            let used = pages.usedBytes(ofPage: number)
            if used < best?.used ?? .max { best = (number, used) }
        }
        guard let number = best?.number else { return evictOne() }
        for reference in pages.entries(ofPage: number) { evict(reference) }
    }

    private mutating func evict(_ reference: BlockReference) {
        unsafe countEviction(pages.header(reference).pointee.namespace)
        remove(reference)
    }

    // MARK: Queues

    /// Puts an entry at the front of a queue.
    mutating func push(_ reference: BlockReference, to name: NearQueueName) {
        var queue = name == .small ? small : main
        let header = unsafe pages.header(reference)
        unsafe header.pointee.queue = name
        unsafe header.pointee.next = .none
        unsafe header.pointee.previous = queue.front
        if queue.front != .none { unsafe pages.header(queue.front).pointee.next = reference }
        queue.front = reference
        if queue.back == .none { queue.back = reference }
        queue.bytes += pages.blockBytes(reference)
        set(name, queue)
    }

    /// Takes an entry out of its queue.
    mutating func unlink(_ reference: BlockReference, _ header: NearHeader) {
        var queue = header.queue == .small ? small : main
        if header.next == .none {
            queue.front = header.previous
        } else {
            unsafe pages.header(header.next).pointee.previous = header.previous
        }
        if header.previous == .none {
            queue.back = header.next
        } else {
            unsafe pages.header(header.previous).pointee.next = header.next
        }
        queue.bytes -= pages.blockBytes(reference)
        set(header.queue, queue)
    }

    private mutating func set(_ name: NearQueueName, _ queue: NearQueue) {
        if name == .small { small = queue } else { main = queue }
    }
}
