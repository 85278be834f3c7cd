import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

/// Scripts that found an entry with tags and handed it back, as they cannot know whether the tags have moved on.
extension Cache {
    /// Finds out about the tags, then calls the script again with what it is to find.
    ///
    /// - Parameters:
    ///   - operation: The operation whose script it is.
    ///   - completion: That of its command; used again, so nothing that it holds is given back meanwhile.
    ///   - reply: The beginning of the entry, the script's keys and its arguments.
    func verify(_ operation: Operation, _ completion: Completion, _ reply: Reply) {
        var elements = reply.copy().elements?.makeIterator()
        let stored = elements?.next()?.bytes ?? []
        let keys = elements?.next()?.elements?.compactMap(\.bytes) ?? []
        let arguments = elements?.next()?.elements?.compactMap(\.bytes) ?? []
        // What its client asked for before it left is done all the same.
        let peer = calls.peer(of: CallID(rawValue: completion.call))
        let bytes = arguments.reduce(stored.count) { $0 + $1.count }
        guard peer.map({ secondSteps.begin($0, bytes: bytes, isLast: true) }) ?? true else {
            return refuse(operation, completion, .unwritten(Cache.tooMuchKept))
        }
        Task { @EventLoop in
            await self.repeatCall(operation, completion, stored, keys, arguments)
            if let peer { self.secondSteps.end(peer, bytes: bytes) }
        }
    }

    /// Answers the call of a script that found the entry changed each time that it was told what it is to find.
    private static let changedAgainAndAgain = RPCError(
        .conflict,
        "others changed the entry again and again between the look at it and the write",
        isRetryable: true,
        outcome: .notApplied
    )

    private func repeatCall(
        _ operation: Operation,
        _ completion: Completion,
        _ stored: [UInt8],
        _ keys: [[UInt8]],
        _ arguments: [[UInt8]]
    ) async {
        guard let name = keys.first, let handed = HandedBack(arguments) else {
            return refuse(operation, completion, .unwritten(LinkFailure.unexpected))
        }
        guard handed.repeats < Cache.attemptsMax else {
            return refuse(operation, completion, Cache.changedAgainAndAgain)
        }
        let deadline = handed.deadline
        let lane = calls.peer(of: CallID(rawValue: completion.call))?.index ?? 0
        var arguments = arguments
        let verified: [UInt8]
        do throws(LinkFailure) {
            verified = try await standing(stored, at: name, deadline, lane)
        } catch {
            return refuse(operation, completion, .unwritten(error))
        }
        if !verified.isEmpty, let life = newLife(operation, arguments) {
            verified.withByteView { if let head = EntryHead($0) { extendTags(of: head, life, lane) } }
        }
        arguments[arguments.count - 2] = handed.next
        arguments[arguments.count - 1] = verified
        let request = CommandRequest(
            receiver: self,
            completion: completion,
            effect: operation.effect,
            deadline: deadline
        )
        link.send(request, lane: lane) { command in
            command.append(callOf: script(of: operation), keys: keys.count, arguments: arguments.count)
            for word in keys + arguments { word.withByteView { command.append(word: $0) } }
        }
    }

    /// What the script is to find before the value of an entry: of no bytes for an entry that is none any more.
    ///
    /// One whose tags have moved on is removed, and one that another client has moved here from the key that it names.
    private func standing(
        _ stored: [UInt8],
        at name: [UInt8],
        _ deadline: Instant,
        _ lane: Int
    ) async throws(LinkFailure) -> [UInt8] {
        let read = stored.withByteView { stored in
            EntryHead(stored).map { head in (head.bytes.copy(), name.withByteView { head.name.equals($0) }) }
        }
        // What this agent cannot read is there; nobody can tell more.
        guard let (head, isInPlace) = read else { return Array(stored.prefix(3)) }
        if isInPlace { return try await isOutdated(stored, at: name, deadline, lane) ? [] : head }
        head.withByteView { purge($0, named: name, lane) }
        return []
    }

    private func script(of operation: Operation) -> Script {
        switch operation {
        case .touch: CacheScripts.touch
        case .increment: CacheScripts.increment
        default: CacheScripts.store
        }
    }

    /// The life that the script gives an entry that it keeps: a number, or nothing for no end; nil where it gives none.
    private func newLife(_ operation: Operation, _ arguments: [[UInt8]]) -> [UInt8]? {
        switch operation {
        case .touch: arguments[0]
        case .increment where arguments[4] == Array("1".utf8): arguments[3]
        default: nil
        }
    }

    /// Has the tags of an entry live as long as the life that it is given.
    private func extendTags(of head: EntryHead, _ life: [UInt8], _ lane: Int) {
        guard let stem = keyspace.stem(.cacheTag, besides: head.name, of: .cache) else { return }
        let number = life.withByteView { $0.integer }.map { min($0, Int64.max / 4) + head.staleMilliseconds }
        extendTags(head.tags.map { stem + $0.name.copy() }, life: number, lane)
    }

    /// Has tags live as long as an entry.
    ///
    /// - Parameters:
    ///   - names: Full names of their keys.
    ///   - life: How long the entry lies in Valkey, in milliseconds; nil for no end.
    ///   - lane: The lane of the command that gives the entry that life, before which they go.
    func extendTags(_ names: [[UInt8]], life: Int64?, _ lane: Int) {
        for name in names {
            sendUnattended(lane) { command in
                command.append(commandOf: life == nil ? 2 : 4)
                command.append(word: life == nil ? "PERSIST" : "PEXPIRE")
                name.withByteView { command.append(word: $0) }
                guard let life else { return }
                command.append(word: life)
                // Another writer may have given it a longer one meanwhile.
                command.append(word: "GT")
            }
        }
    }
}

/// What the argument before the last carries of a script that hands entries back: it is for whoever is handed them.
private struct HandedBack {
    /// When the call must have been answered.
    let deadline: Instant
    /// How often the script was called again.
    let repeats: Int

    /// Reads it; nil where it is something else.
    init?(_ arguments: [[UInt8]]) {
        guard arguments.count >= 2 else { return nil }
        let words = arguments[arguments.count - 2].split(separator: UInt8(ascii: " "))
        let numbers = words.compactMap { Array($0).withByteView { $0.integer } }
        guard numbers.count == words.count, let deadline = numbers.first else { return nil }
        self.deadline = Instant(nanoseconds: deadline)
        repeats = numbers.count > 1 ? Int(clamping: numbers[1]) : 0
    }

    /// The argument for the next time.
    var next: [UInt8] { Array("\(deadline.nanoseconds) \(repeats + 1)".utf8) }
}
