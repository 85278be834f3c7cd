import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// One entry in the waits-for graph: a party waits in a place.
struct WaitsForEntry: Hashable {
    let party: [UInt8]
    let place: LeasePlace
}

/// Finding out whether a wait closes a cycle.
///
/// Only for a party that has something, or waits for something, anybody else can wait. Where that is so, its waits are
/// entered into the waits-for graph, and each is looked at when it begins (``WaitsForScripts``): whichever of those that
/// make a cycle is entered last finds it and ends, in one step of Valkey. Nothing that happens later closes a cycle, but
/// for what a party that waits is given at once or takes over: then its waits are looked at again.
///
/// Candidates of elections do not count: nobody stands still while he waits to lead.
extension Leases {
    /// Most places that are looked at for one wait: a longer cycle is not found.
    private static let placesMax = 256
    /// Most places of its party that a wait is looked at with.
    private static let ownPlacesMax = 64
    /// Most waits that are looked at at the same time.
    private static let looksMax = 16
    /// How long an agent is taken for living without keeping its entries, in milliseconds.
    private static let entryMilliseconds: Int64 = 15_000
    /// Time until an agent's entries are kept again.
    private static let entryInterval = Duration.seconds(5)

    /// Whether anybody may wait for the party of a lease, so that its waiting may close a cycle.
    func mayCloseCycle(_ lease: Lease) -> Bool {
        guard lease.state == .waiting, lease.wish.place.kind != .leader else { return false }
        return lease.wish.owner != nil || lease.holder.leases.values.contains { isOther($0, than: lease) }
    }

    private func isOther(_ other: Lease, than lease: Lease) -> Bool {
        other !== lease && other.state != .ended && other.party == lease.party && other.wish.place.kind != .leader
    }

    /// Enters the waits of a party that holds something else, or waits for it, from now on.
    func enterOtherWaits(of lease: Lease) {
        guard !waits.isEmpty, lease.holder.leases.count > 1 else { return }
        for other in Array(lease.holder.leases.values) where !other.isListed && isOther(lease, than: other) {
            if mayCloseCycle(other) { detectDeadlock(other) }
        }
    }

    /// Looks for cycles through the waits of a party that took something over, which others may wait for already.
    func lookAgain(atWaitsOf lease: Lease) {
        guard !waits.isEmpty, lease.holder.leases.count > 1 else { return }
        for other in Array(lease.holder.leases.values) where isOther(lease, than: other) && mayCloseCycle(other) {
            detectDeadlock(other)
        }
    }

    /// Looks for cycles through all waits that are entered.
    func lookAgainAtAllWaits() {
        for place in Array(waits.values) {
            for lease in place.leases where lease.isListed && lease.state == .waiting { detectDeadlock(lease) }
        }
    }

    /// Enters a wait into the graph, and ends it where it closes a cycle.
    func detectDeadlock(_ lease: Lease) {
        list(lease)
        guard !lease.isToBeLookedAt else { return }
        lease.isToBeLookedAt = true
        looks.waiting.append(lease)
        lookOn()
    }

    /// Looks at waits in turn, few at a time, so that others have Valkey's time as well.
    private func lookOn() {
        while looks.running < Leases.looksMax, !looks.waiting.isEmpty {
            let lease = looks.waiting.removeFirst()
            lease.isToBeLookedAt = false
            guard lease.state == .waiting else { continue }
            looks.running += 1
            Task { @EventLoop in
                // Where that fails, the next look at the place tries again.
                let cycle = try? await self.cycle(through: lease)
                self.looks.running -= 1
                if let cycle { self.endDeadlock(lease, cycle) }
                self.lookOn()
            }
        }
    }

    private func endDeadlock(_ lease: Lease, _ cycle: [GraphStep]) {
        guard lease.state == .waiting else { return }
        counts.deadlocks += 1
        var text = ByteBuffer()
        text.append("[")
        for (index, step) in cycle.enumerated() {
            if index > 0 { text.append(",") }
            step.append(to: &text)
        }
        text.append("]")
        fail(
            lease,
            RPCError(
                .deadlock,
                "waiting would never end: a cycle of \(cycle.count) waits for what another of them holds; release what you "
                    + "hold and begin anew",
                outcome: .notApplied,
                details: [("cycle", text.view.text())]
            )
        )
    }

    /// Enters a wait, and ends it in Valkey where it closes a cycle; nil where it does not.
    private func cycle(through lease: Lease) async throws(RPCError) -> [GraphStep]? {
        let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
        let entry = WaitsForEntry(party: lease.party, place: lease.wish.place)
        let last = lastNumber
        var found: [[UInt8]] = []
        var isRepeated = false
        while lease.state == .waiting {
            let own = lease.wish.owner == nil ? ownPlaces(of: lease) : nil
            let given = (own ?? []).flatMap { [$0.key, $0.queue] }
            let reply = try await check(lease, own: own?.count, given + found, deadline)
            // Whoever ended meanwhile may have left before it was entered.
            if entries[entry] == nil { forget(entry) }
            guard let elements = reply.elements, let kind = elements.first?.integer else { throw .unexpectedReply }
            if kind == 1 { return GraphStep.steps(Array(elements.dropFirst())) }
            if kind == 2 {
                found += elements.dropFirst().compactMap(\.bytes)
                guard found.count <= 2 * Leases.placesMax, elements.count > 1 else { break }
                continue
            }
            // What the party asked for before this was entered, and after it was sent, may be waited for already.
            let isMore = lease.holder.leases.values.contains { $0.number > last && isOther($0, than: lease) }
            if own == nil || isRepeated || !isMore { break }
            isRepeated = true
        }
        lease.isEntered = true
        return nil
    }

    /// The places where the party of a wait has something else, or waits for it; nil where they are too many.
    private func ownPlaces(of lease: Lease) -> Set<LeasePlace>? {
        var places: Set<LeasePlace> = []
        for other in lease.holder.leases.values where isOther(other, than: lease) {
            places.insert(other.wish.place)
            if places.count > Leases.ownPlacesMax { return nil }
        }
        return places
    }

    private func check(
        _ lease: Lease,
        own: Int?,
        _ keys: [[UInt8]],
        _ deadline: Instant
    ) async throws(RPCError) -> ReplyValue {
        let place = lease.wish.place
        return try await call(.idempotentWrite, until: deadline) { command in
            command.append(callOf: WaitsForScripts.check, keys: 3 + keys.count, arguments: 8)
            place.append(to: &command)
            command.append(word: graph)
            for key in keys { command.append(word: key) }
            command.append(word: stem)
            command.append(word: "")
            command.append(word: lease.id.text)
            command.append(word: agent)
            command.append(word: Leases.entryMilliseconds)
            command.append(word: String(describing: place.kind.word))
            command.append(word: place.name)
            command.append(word: Int64(own ?? -1))
        }
    }
}

// MARK: The entries of this agent

extension Leases {
    private func list(_ lease: Lease) {
        guard !lease.isListed else { return }
        lease.isListed = true
        entries[WaitsForEntry(party: lease.party, place: lease.wish.place), default: 0] += 1
        if entriesTimer == nil { scheduleKeeping() }
    }

    /// Takes a wait out of the graph.
    func leaveGraph(_ lease: Lease) {
        lease.isEntered = false
        guard lease.isListed else { return }
        lease.isListed = false
        let entry = WaitsForEntry(party: lease.party, place: lease.wish.place)
        let count = entries[entry, default: 1] - 1
        entries[entry] = count > 0 ? count : nil
        if count <= 0 { forget(entry) }
    }

    private func forget(_ entry: WaitsForEntry) {
        let isLast = entries.isEmpty
        if isLast, let timer = entriesTimer {
            EventLoop.reactor.timers.cancel(timer)
            entriesTimer = nil
        }
        Task { @EventLoop in
            let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
            _ = try? await self.link.call(.idempotentWrite, deadline: deadline, lane: -1) { command in
                command.append(callOf: WaitsForScripts.forget, keys: 1, arguments: 4)
                command.append(word: self.graph)
                command.append(word: entry.party)
                command.append(word: self.agent)
                command.append(word: entry.place.key)
                command.append(word: isLast ? "1" : "0")
            }
        }
    }

    private func scheduleKeeping() {
        entriesTimer = EventLoop.reactor.timers.schedule(after: Leases.entryInterval) {
            self.scheduleKeeping()
            self.keepEntries()
        }
    }

    /// Keeps this agent among those whose entries count, and enters them again where Valkey has lost them.
    private func keepEntries() {
        Task { @EventLoop in
            let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
            let reply = try? await self.link.call(.idempotentWrite, deadline: deadline, lane: -1) { command in
                command.append(callOf: WaitsForScripts.keep, keys: 1, arguments: 2)
                command.append(word: self.graph)
                command.append(word: self.agent)
                command.append(word: Leases.entryMilliseconds)
            }
            if reply?.integer == 0 { self.lookAgainAtAllWaits() }
        }
    }
}

/// One wait in a cycle, as it is told: `{"name", "kind", "label", "host"}`.
private struct GraphStep {
    private let kind: [UInt8]
    private let name: [UInt8]
    private let description: LeaseDescription?

    /// Reads kind, name and description of each.
    static func steps(_ elements: [ReplyValue]) -> [GraphStep] {
        let words = elements.map { $0.bytes ?? [] }
        return stride(from: 0, to: words.count - words.count % 3, by: 3).map { index in
            GraphStep(kind: words[index], name: words[index + 1], description: LeaseDescription(words[index + 2]))
        }
    }

    func append(to buffer: inout ByteBuffer) {
        buffer.append("{\"name\":")
        name.withByteView { buffer.append(jsonString: $0) }
        buffer.append(",\"kind\":\"")
        buffer.append(kind)
        buffer.append("\",")
        let unknown = LeaseDescription(label: nil, host: "", isBound: false, holdMilliseconds: 0)
        (description ?? unknown).appendWho(to: &buffer)
        buffer.append("}")
    }
}
