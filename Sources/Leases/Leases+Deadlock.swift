import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// Finding out whether a wait closes a cycle.
///
/// Only who holds something can be waited for. So a wait is entered into the waits-for graph (``WaitsForScripts``) where
/// its party holds something, waits for something else, or has a name, under which it may hold something elsewhere. A
/// cycle in the graph may be made of what has passed meanwhile; each wait in it is looked at again before it counts, for
/// a deadlock stays and nothing else does.
extension Leases {
    /// Times that a cycle is looked for anew after a part of it had passed.
    private static let attemptsMax = 16
    /// How long a wait stands in the graph without being entered again, in milliseconds.
    private static let entryMilliseconds: Int64 = 15_000

    /// Whether anybody may wait for the party of a lease.
    func mayCloseCycle(_ lease: Lease) -> Bool {
        lease.wish.owner != nil || lease.holder.leases.values.contains { $0 !== lease && $0.state != .ended }
    }

    /// Enters the waits of a party that holds something from now on.
    func enterOtherWaits(of lease: Lease) {
        guard lease.holder.leases.count > 1 else { return }
        for other in Array(lease.holder.leases.values) where other.state == .waiting && !other.isEntered {
            detectDeadlock(other)
        }
    }

    /// Enters a wait into the graph, and ends it where it closes a cycle.
    func detectDeadlock(_ lease: Lease) {
        Task { @EventLoop in
            do throws(RPCError) {
                for _ in 0..<Leases.attemptsMax where lease.state == .waiting {
                    let cycle = try await self.cycle(through: lease)
                    guard !cycle.isEmpty else { return }
                    if try await self.isStanding(cycle) { return self.endDeadlock(lease, cycle) }
                }
            } catch {
                // The next look at the place tries again.
                return
            }
        }
    }

    private func endDeadlock(_ lease: Lease, _ cycle: [GraphStep]) {
        guard lease.state == .waiting else { return }
        counts.deadlocks += 1
        letGo(lease)
        var text = ByteBuffer()
        text.append("[")
        for (index, step) in cycle.enumerated() {
            if index > 0 { text.append(",") }
            text.append(step.about.text)
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

    /// Enters a wait and looks for the cycle that it closes.
    private func cycle(through lease: Lease) async throws(RPCError) -> [GraphStep] {
        let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
        guard let blockers = try await blockers(lease.id.text, lease.wish.place, deadline), lease.state == .waiting
        else {
            return []
        }
        lease.isEntered = true
        let about = GraphStep.About(lease.wish.place, lease.description)
        let reply = try await enter(lease.id.text, lease.party, about.text, blockers, looks: true, deadline)
        // Whoever ended meanwhile left before it was entered.
        if lease.state != .waiting { leaveGraph(lease) }
        return (reply.elements ?? []).compactMap { GraphStep($0, keyspace) }
    }

    /// Whether every wait of a cycle, but the first, which was just looked at, still is for the next; what is not is
    /// entered anew as it is.
    private func isStanding(_ cycle: [GraphStep]) async throws(RPCError) -> Bool {
        let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
        for step in cycle.dropFirst() {
            let blockers = try await blockers(step.lease, step.place, deadline)
            if let blockers, blockers.parties.contains(step.next) { continue }
            if let blockers {
                _ = try await enter(step.lease, step.party, step.about.text, blockers, looks: false, deadline)
            } else {
                forget(step.lease, step.party)
            }
            return false
        }
        return true
    }

    /// Whom a wait waits for; nil where it is over.
    private func blockers(
        _ lease: [UInt8],
        _ place: LeasePlace,
        _ deadline: Instant
    ) async throws(RPCError) -> Blockers? {
        let reply = try await call(LeaseScripts.blockers, place, [lease], until: deadline)
        return Blockers(reply)
    }

    private func enter(
        _ lease: [UInt8],
        _ party: [UInt8],
        _ about: [UInt8],
        _ blockers: Blockers,
        looks: Bool,
        _ deadline: Instant
    ) async throws(RPCError) -> ReplyValue {
        try await call(.idempotentWrite, until: deadline) { command in
            let words = 7 + 2 * blockers.holders.count + blockers.ahead.count
            command.append(callOf: WaitsForScripts.check, keys: 1, arguments: words)
            command.append(word: graph)
            command.append(word: lease)
            command.append(word: party)
            command.append(word: Leases.entryMilliseconds)
            command.append(word: about)
            command.append(word: looks ? "1" : "0")
            command.append(word: blockers.need)
            command.append(word: Int64(blockers.holders.count))
            for (party, weight) in blockers.holders {
                command.append(word: party)
                command.append(word: weight)
            }
            for party in blockers.ahead { command.append(word: party) }
        }
    }

    /// Takes a wait out of the graph.
    func leaveGraph(_ lease: Lease) {
        guard lease.isEntered else { return }
        lease.isEntered = false
        forget(lease.id.text, lease.party)
    }

    private func forget(_ lease: [UInt8], _ party: [UInt8]) {
        Task { @EventLoop in
            let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
            _ = try? await self.link.call(.idempotentWrite, deadline: deadline, lane: -1) { command in
                command.append(callOf: WaitsForScripts.forget, keys: 1, arguments: 2)
                command.append(word: self.graph)
                command.append(word: lease)
                command.append(word: party)
            }
        }
    }
}

/// Whom a wait waits for.
private struct Blockers {
    /// Places that must become free.
    let need: Int64
    /// Parties that hold places, and how many.
    let holders: [(party: [UInt8], weight: Int64)]
    /// Parties that stand before it in the queue.
    let ahead: [[UInt8]]

    init?(_ reply: ReplyValue) {
        guard let elements = reply.elements, elements.count == 3, let need = elements[0].number else { return nil }
        self.need = need
        let records = elements.dropFirst().map {
            ($0.elements ?? []).compactMap { $0.bytes.flatMap { LeaseRecord($0) } }
        }
        holders = records[0].map { ($0.party, $0.weight) }
        ahead = records[1].map(\.party)
    }

    var parties: [[UInt8]] { holders.map(\.party) + ahead }
}

/// One wait in a cycle.
private struct GraphStep {
    /// What is told of a wait.
    struct About {
        /// As it is kept and told: `{"name", "kind", "label", "host"}`.
        let text: [UInt8]
        let kind: LeaseKind
        let name: [UInt8]

        init(_ place: LeasePlace, _ description: LeaseDescription) {
            kind = place.kind
            name = place.name
            var buffer = ByteBuffer()
            buffer.append("{\"name\":")
            place.name.withByteView { buffer.append(jsonString: $0) }
            buffer.append(",\"kind\":\"")
            buffer.append(place.kind.word)
            buffer.append("\",")
            description.appendWho(to: &buffer)
            buffer.append("}")
            text = buffer.view.copy()
        }

        init?(_ bytes: [UInt8]) {
            guard let document = try? Document.parse(bytes), let name = document["name"]?.string,
                let kind = LeaseKind.allCases.first(where: { "\($0.word)" == document["kind"]?.string })
            else { return nil }
            text = bytes
            self.kind = kind
            self.name = Array(name.utf8)
        }
    }

    let lease: [UInt8]
    let party: [UInt8]
    let next: [UInt8]
    let place: LeasePlace
    let about: About

    init?(_ reply: ReplyValue, _ keyspace: Keyspace) {
        guard let elements = reply.elements, elements.count == 4, let lease = elements[0].bytes,
            let party = elements[1].bytes, let next = elements[2].bytes,
            let about = elements[3].bytes.flatMap({ About($0) })
        else { return nil }
        self.lease = lease
        self.party = party
        self.next = next
        self.about = about
        place = LeasePlace(about.kind, about.name, keyspace)
    }
}
