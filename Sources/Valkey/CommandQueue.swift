import Bytes
import EventLoop
import Linux
import Resilience

/// The commands of one data connection, from their being queued until their replies: the pipeline without its socket.
///
/// Commands are encoded into a log and stay there until their replies have come, so that what a broken connection left
/// unanswered can be told apart, and sent again where that is harmless, without a copy of each command. A record for
/// each stands in a queue in the same order; replies take records off its front. A caller that gives up leaves its
/// record in place, so a reply can never reach another caller.
///
/// Pure: it is told of bytes sent, replies, time and breaks, and hands back the records whose receivers are to be told.
struct CommandQueue: ~Copyable {
    /// What a reply means.
    enum Reception {
        /// More replies belong to the same command.
        case partial
        /// The result of a command. `refusal` says why its transaction was refused, where it was.
        case result(CommandRecord, refusal: [UInt8]?)
        /// Nobody asked for it.
        case unexpected
        /// It answers a command that has not left whole: the server has given the connection up.
        case premature
    }

    /// A command whose receiver is to be told that it gets no reply.
    struct Failure {
        let record: CommandRecord
        let outcome: LinkFailure.Outcome
        /// Whether its bytes may have left in vain, which speaks against the server.
        let isTransport: Bool
    }

    /// Times that a connection may break while a command is being sent, before it is taken for the cause.
    private static let interruptionsMax = 2

    private var log = ByteBuffer()
    private var sent = 0
    private var records = RecordQueue()
    private var refusal: [UInt8]?

    /// Commands that wait for a reply or to be sent.
    var count: Int { records.count }
    /// Bytes of those commands.
    var bytes: Int { log.count }
    var isEmpty: Bool { records.isEmpty }
    /// What is to be sent next.
    var unsent: ByteView { log.view.dropFirst(sent) }
    /// Whether everything was sent.
    var isSent: Bool { sent == log.count }

    /// Queues a command, which `encode` appends, complete.
    mutating func append(_ request: CommandRequest, lane: Int, _ encode: (inout ByteBuffer) -> Void) {
        let start = log.count
        encode(&log)
        records.append(CommandRecord(request, lane: lane, length: log.count - start))
    }

    /// Takes note that the kernel took `count` bytes of ``unsent``.
    mutating func markSent(_ count: Int) {
        sent += count
    }

    /// Takes a reply off the connection.
    mutating func receive(_ reply: Reply) -> Reception {
        guard !records.isEmpty else { return .unexpected }
        let first = unsafe records.first
        if unsafe first.pointee.repliesLeft > 1 {
            unsafe first.pointee.repliesLeft -= 1
            if reply.kind == .error { refusal = reply.bytes.copy() }
            return .partial
        }
        guard unsafe first.pointee.length <= sent else { return .premature }
        let record = removeFirst()
        guard refusal != nil else { return .result(record, refusal: nil) }
        defer { refusal = nil }
        return .result(record, refusal: reply.isError("EXECABORT") ? refusal : nil)
    }

    /// The encoded form of the command whose reply comes next; nil where none was sent whole.
    var first: (record: CommandRecord, command: ByteView)? {
        isFirstSent ? (records[0], log.view.prefix(records[0].length)) : nil
    }

    /// Whether a command waits for its reply of which every byte has left.
    private var isFirstSent: Bool { !records.isEmpty && records[0].length <= sent }

    /// Puts the first command last, with a command before it whose reply is passed over: its script is loaded anew.
    mutating func repeatFirst(after preparation: (inout ByteBuffer) -> Void) {
        let command = log.view.prefix(records[0].length).copy()
        let record = removeFirst()
        let start = log.count
        preparation(&log)
        log.append(command)
        records.append(record.again(length: log.count - start, replies: record.replies + 1, isReloaded: true))
    }

    /// Gives the first command up without a reply, its place kept.
    mutating func abandonFirst() -> CommandRecord? {
        guard !records.isEmpty, !records[0].isAbandoned else { return nil }
        records[0].isAbandoned = true
        return records[0]
    }

    /// Whether another command of `lane` stands behind the first.
    func holdsAnother(lane: Int) -> Bool {
        for position in 1..<max(records.count, 1) where records[position].lane == lane { return true }
        return false
    }

    /// A command that was taken off the queue, to be queued anew.
    struct Taken {
        let record: CommandRecord
        let command: [UInt8]
    }

    /// Takes the first command off, whose one reply said that it was not executed.
    mutating func takeFirst() -> Taken {
        let command = log.view.prefix(records[0].length).copy()
        return Taken(record: removeFirst().anotherAttempt(), command: command)
    }

    /// Queues a command that was taken off.
    mutating func append(_ taken: Taken) {
        log.append(taken.command)
        records.append(taken.record)
    }

    private mutating func removeFirst() -> CommandRecord {
        let record = records.removeFirst()
        precondition(record.length <= sent, "a command that has not left whole was answered")
        log.consume(record.length)
        sent -= record.length
        return record
    }
}

// MARK: Time and breaks

extension CommandQueue {
    /// Gives up the commands whose deadlines have passed.
    ///
    /// Those of which no byte has left are taken out of the log: they will not run later.
    ///
    /// - Returns: Those commands, and the earliest deadline of the others.
    mutating func expire(at now: Instant) -> (failures: [Failure], next: Instant) {
        var failures: [Failure] = []
        var next = Instant.distantFuture
        var offset = 0
        var hasUnsent = false
        for position in 0..<records.count {
            let record = records[position]
            let isUnsent = offset >= sent
            offset += record.length
            if record.isAbandoned { continue }
            if record.deadline <= now {
                records[position].isAbandoned = true
                hasUnsent = hasUnsent || isUnsent
                let outcome = isUnsent ? record.outcomeWhenUnsent : record.outcomeWhenSent
                failures.append(Failure(record: record, outcome: outcome, isTransport: !isUnsent))
            } else {
                next = min(next, record.deadline)
            }
        }
        if hasUnsent {
            let sent = sent
            keep { record, start in !record.isAbandoned || start < sent }
        }
        return (failures, next)
    }

    /// Decides the fate of each command after the connection broke: nothing is sent any more.
    ///
    /// A command that was not sent whole stays, unless connections keep breaking over it, as does one that may be sent
    /// again while the budget allows it. The order of those that stay is kept.
    ///
    /// - Returns: The others.
    mutating func interrupt(_ budget: inout RetryBudget) -> [Failure] {
        var failures: [Failure] = []
        var offset = 0
        for position in 0..<records.count {
            let record = records[position]
            let start = offset
            offset += record.length
            // Whatever was answered in part is answered anew.
            records[position].repliesLeft = record.replies
            let isWhole = offset <= sent
            if isWhole {
                records[position].wasSent = true
            } else if start < sent {
                records[position].interruptions += 1
            }
            if record.isAbandoned { continue }
            if isWhole {
                if record.effect != .write, budget.spend() { continue }
            } else if records[position].interruptions < CommandQueue.interruptionsMax {
                continue
            }
            records[position].isAbandoned = true
            let outcome = isWhole ? record.outcomeWhenSent : record.outcomeWhenUnsent
            failures.append(Failure(record: record, outcome: outcome, isTransport: true))
        }
        // What was sent in part was not executed: it begins anew, and what was given up does not.
        sent = 0
        refusal = nil
        keep { record, _ in !record.isAbandoned }
        return failures
    }

    /// Gives up the commands of which no byte has left.
    mutating func removeUnsent() -> [Failure] {
        guard sent < log.count else { return [] }
        var failures: [Failure] = []
        var offset = 0
        for position in 0..<records.count {
            let record = records[position]
            defer { offset += record.length }
            guard offset >= sent else { continue }
            records[position].isAbandoned = true
            if record.isAbandoned { continue }
            failures.append(Failure(record: record, outcome: record.outcomeWhenUnsent, isTransport: false))
        }
        let sent = sent
        keep { _, start in start < sent }
        return failures
    }

    /// Gives up every command; none has a connection.
    mutating func removeAll() -> [Failure] {
        var failures: [Failure] = []
        for position in 0..<records.count where !records[position].isAbandoned {
            let record = records[position]
            failures.append(Failure(record: record, outcome: record.outcomeWhenUnsent, isTransport: false))
        }
        records.removeAll()
        log.removeAll(keepingCapacityUpTo: 0)
        sent = 0
        refusal = nil
        return failures
    }

    /// Keeps the records that `isKept` accepts, with their bytes; it is given each one's offset in the log.
    private mutating func keep(_ isKept: (CommandRecord, Int) -> Bool) {
        var kept = RecordQueue()
        var keptLog = ByteBuffer()
        var offset = 0
        for position in 0..<records.count {
            let record = records[position]
            if isKept(record, offset) {
                kept.append(record)
                keptLog.append(log.view[offset..<(offset + record.length)])
            }
            offset += record.length
        }
        records = kept
        swap(&log, &keptLog)
    }
}
