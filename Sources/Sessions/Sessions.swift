import Bytes
public import Crypto
public import EventLoop
public import JSONRPC
import Linux
public import Observability
public import Sealing
public import Store
public import Valkey

/// The methods `session.*`: what is kept about somebody while they are there, sealed, revocable, never resurrected.
///
/// Reading is a command and a completion record, like reading the cache; everything else takes several steps and is a
/// task. Valkey holds what ``Envelope`` describes, under names that only a token's owner can tell.
@EventLoop
public final class Sessions: ReplyReceiver {
    /// Which command a reply belongs to.
    enum Operation: UInt32 {
        case get
        case touch
        case aside
    }

    /// Counts since the start.
    public internal(set) var counts = SessionCounts()
    /// How sessions behave; may be replaced while calls run.
    public var settings: SessionSettings
    /// Told of records that cannot be read, as an audit has it: the event, and the cause.
    public var onUnreadable: @EventLoop (_ event: StaticString, _ fault: EnvelopeFault) -> Void = { _, _ in }
    let link: Link
    let calls: CallTable
    let keyspace: Keyspace
    let log: Log
    let pending = PendingReads()
    let turns = Turns<[UInt8]>(behind: "other changes of the session")
    var plaintext = ByteBuffer()
    var nameScratch = ByteBuffer()
    var alarm = CorruptionAlarm()
    var subjectKey = SubjectKey()
    /// Sessions that are being sealed anew because a read found them under an old key.
    var rewrites = 0
    private var secrets: [SecretBytes]
    private var isDevelopmentKey: Bool
    private var madeSealer: EnvelopeSealer?

    /// Serves the methods from the state store.
    ///
    /// - Parameters:
    ///   - secrets: The master keys, at least one, the primary one first. They are not looked at before the first call.
    ///   - isDevelopmentKey: Whether the agent made the key for itself, which health tells.
    ///   - link: Link to the store that must not evict.
    ///   - calls: Where calls are answered.
    ///   - keyspace: Names keys.
    ///   - settings: How sessions behave.
    ///   - log: Where damage and the work of operators is recorded.
    public init(
        secrets: [SecretBytes],
        isDevelopmentKey: Bool,
        link: Link,
        calls: CallTable,
        keyspace: Keyspace,
        settings: SessionSettings,
        log: Log
    ) {
        precondition(!secrets.isEmpty, "sessions need a key")
        self.secrets = secrets
        self.isDevelopmentKey = isDevelopmentKey
        self.link = link
        self.calls = calls
        self.keyspace = keyspace
        self.settings = settings
        self.log = log
        for script in SessionScripts.all { link.register(script) }
    }

    /// What seals and opens; made at the first use, so that an agent without sessions needs no memory for it.
    var sealer: EnvelopeSealer {
        if let madeSealer { return madeSealer }
        let sealer = EnvelopeSealer(KeyRing(secrets.map { MasterKey($0) }))
        madeSealer = sealer
        return sealer
    }

    /// Takes up other keys.
    ///
    /// - Parameters:
    ///   - secrets: At least one, the primary one first.
    ///   - isDevelopment: Whether the agent made the key for itself.
    public func replaceKeys(_ secrets: [SecretBytes], isDevelopment: Bool) {
        precondition(!secrets.isEmpty, "sessions need a key")
        self.secrets = secrets
        isDevelopmentKey = isDevelopment
        madeSealer?.keys = KeyRing(secrets.map { MasterKey($0) })
        subjectKey.forgetCheck()
    }

    /// What the operator should know, one sentence each.
    public var warnings: [String] {
        var warnings: [String] = []
        if isDevelopmentKey {
            warnings.append("sessions are sealed under a key that this agent made for itself: set sessions.key_files")
        }
        if alarm.isRaised(at: .now) {
            warnings.append("many sessions cannot be read; nothing was deleted: check the keys in sessions.key_files")
        }
        if subjectKey.isForeign {
            warnings.append("the store's sessions belong to keys that this agent does not hold")
        }
        if let policy = subjectKey.evictionPolicy {
            warnings.append("the state store may evict sessions: its maxmemory-policy is \(policy), not noeviction")
        }
        return warnings
    }

    /// Takes a reply.
    public func received(_ reply: Reply, _ completion: Completion) {
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a reply to a command that sessions did not send")
        }
        switch operation {
        case .get: answerGet(CallID(rawValue: completion.call), reply, slot: completion.detail)
        case .touch: if reply.integer == 1 { counts.touched += 1 }
        case .aside: break
        }
    }

    /// Takes note of a command without a reply.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        guard completion.operation == Operation.get.rawValue else { return }
        pending.release(completion.detail)
        calls.fail(CallID(rawValue: completion.call), RPCError(failure))
    }
}

/// What happened to sessions since the start.
public struct SessionCounts: Sendable {
    /// Sessions begun.
    public var created: UInt64 = 0
    /// Reads that found a session.
    public var found: UInt64 = 0
    /// Reads that found none.
    public var missed: UInt64 = 0
    /// Changes of what a session holds.
    public var updated: UInt64 = 0
    /// Changes that met another one in Valkey and were made anew.
    public var retried: UInt64 = 0
    /// Times that use was written down.
    public var touched: UInt64 = 0
    /// Tokens replaced.
    public var rotated: UInt64 = 0
    /// Sessions ended by callers.
    public var destroyed: UInt64 = 0
    /// Sessions ended because their subject had too many.
    public var evicted: UInt64 = 0
    /// Sessions refused because their subject had too many.
    public var rejected: UInt64 = 0
    /// Sessions sealed anew under the primary key.
    public var rewritten: UInt64 = 0
    /// Records that could not be read, by cause.
    public var faults: [EnvelopeFault: UInt64] = [:]

    /// Every count with its name, for statistics.
    public var all: [(name: String, value: UInt64)] {
        [
            ("created", created), ("found", found), ("missed", missed), ("updated", updated), ("retried", retried),
            ("touched", touched), ("rotated", rotated), ("destroyed", destroyed), ("evicted", evicted),
            ("rejected", rejected), ("rewritten", rewritten),
        ] + EnvelopeFault.allCases.map { ($0.name, faults[$0] ?? 0) }
    }
}
