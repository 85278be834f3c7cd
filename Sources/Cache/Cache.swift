import Bytes
import Crypto
public import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
public import Valkey

/// The methods `cache.*` and `hash.*`: values that may be forgotten, kept in Valkey.
///
/// A call of one round trip is a command and a completion record: the value goes from the client's line into Valkey and
/// back into its reply without being parsed, copied into an object, or waited for by a task.
@EventLoop
public final class Cache: ReplyReceiver {
    /// Counts since the start.
    public struct Counts: Sendable {
        /// Reads that found an entry.
        public var hits: UInt64 = 0
        /// Of these, reads that the agent's memory answered.
        public var nearHits: UInt64 = 0
        /// Reads that found an entry whose life is over, and got it.
        public var staleHits: UInt64 = 0
        /// Reads that found none.
        public var misses: UInt64 = 0
        /// Reads answered as misses because Valkey was away.
        public var degraded: UInt64 = 0
        /// Entries written.
        public var sets: UInt64 = 0
        /// Entries and hashes removed by `cache.invalidate`.
        public var invalidated: UInt64 = 0
    }

    /// Which command a reply belongs to.
    enum Operation: UInt32 {
        /// Reads whose values are not kept; their detail is a ``ReadDetail``.
        case get
        case getWithLife
        /// Reads whose values may be kept; their detail is the number of the fill.
        case fill
        case fillWithLife
        /// Asks for the life of an entry that is being filled; its call is the fill's generation.
        case life
        /// Its detail is the number of the batch.
        case getMany
        case exists
        case keys
        case set
        case setLeased
        case setMany
        case delete
        case deleteMany
        case touch
        case increment
        case fail
        /// Its detail is the number of the leased key.
        case lease
        /// What nobody waits for: the end of a lease, a tag that lives longer, an entry that is purged.
        case unattended
        /// Its detail is the number of the list of tags.
        case invalidateTags
        case hashSet
        case hashGet
        case hashGetAll
        case hashDelete
        case hashIncrement
    }

    /// Counts since the start.
    public internal(set) var counts = Counts()
    let link: Link
    let calls: CallTable
    let keyspace: Keyspace
    let near: NearCache
    let local: LocalEntries
    /// How namespaces behave; may be replaced while calls run.
    public var namespaces: Namespaces {
        didSet {
            guard namespaces != oldValue else { return }
            registerNames()
            near.setWanted(namespaces.hasNear)
            // What was kept under other rules may be what is not to be kept now.
            near.forgetEverything()
            tracker?.setPrefixes(trackedPrefixes)
        }
    }
    private var tracker: Tracker?
    var register = NamespaceRegister()
    var leases = LeaseTable()
    let secondSteps: SecondSteps
    var tags = TagTable()
    /// Numbers of the tags that calls invalidate.
    var tagLists: [[UInt32]] = []
    var freeTagLists: [Int] = []
    private var sweepStorage: TagSweep?
    var secrets: [SecretBytes] = []
    var coderStorage: EntryCoder?
    var batches: [ReadBatch] = []
    var freeBatches: [Int] = []
    var valueScratch = ByteBuffer()
    var copyScratch = ByteBuffer()
    // Of the entries that a call reads together.
    var nameScratch: [NearName] = []

    /// Serves the methods from the cache store.
    ///
    /// - Parameters:
    ///   - link: The link to the store.
    ///   - calls: The calls that are to be answered.
    ///   - keyspace: Names keys.
    ///   - namespaces: How namespaces behave.
    ///   - nearBytesMax: Memory for copies of entries, in bytes; 0 for none.
    ///   - localBytesMax: Memory for entries that lie in the agent's memory alone, in bytes.
    public init(
        link: Link,
        calls: CallTable,
        keyspace: Keyspace,
        namespaces: Namespaces,
        nearBytesMax: Int,
        localBytesMax: Int
    ) {
        self.link = link
        self.calls = calls
        self.keyspace = keyspace
        self.namespaces = namespaces
        near = NearCache(bytesMax: nearBytesMax, keyspace: keyspace)
        near.setWanted(namespaces.hasNear)
        local = LocalEntries(bytesMax: localBytesMax)
        secondSteps = SecondSteps(limits: calls.limits)
        for script in CacheScripts.all { link.register(script) }
        calls.addObserver(self)
        calls.addCanceller(self)
        registerNames()
        if nearBytesMax > 0 { tracker = Tracker(link: link, prefixes: trackedPrefixes, observer: self) }
    }

    /// What the names of entries begin with of which copies are kept, and those of their tags.
    private var trackedPrefixes: [[UInt8]] {
        let families = [KeyFamily.cache, .cacheTag]
        if let names = namespaces.nearNames {
            return families.flatMap { family in names.map { keyspace.stem(family, $0) } }
        }
        return families.flatMap { family in
            let stem = keyspace.stem(family, nil)
            return [stem, stem.dropLast() + [UInt8(ascii: "@")]]
        }
    }

    /// Removes what tags have left behind.
    var sweep: TagSweep {
        if let sweepStorage { return sweepStorage }
        let sweep = TagSweep(self)
        sweepStorage = sweep
        return sweep
    }

    /// Keys that the sweep behind invalidated tags looks at in a second; 0 for no sweep.
    public var sweepKeysPerSecond: Int {
        get { sweep.keysPerSecond }
        set { sweep.keysPerSecond = newValue }
    }

    /// Gives the namespaces that are configured numbers of their own, however many others are named later.
    private func registerNames() {
        for name in namespaces.names { name.withByteView { _ = register.number(named: $0, isConfigured: true) } }
    }

    /// How the namespace of a number behaves.
    func settings(ofNumber number: UInt16) -> NamespaceSettings {
        guard let name = register.name(of: number) else { return namespaces.settings(of: nil) }
        return name.withByteView { namespaces.settings(named: $0) }
    }

    var depthMax: Int { calls.limits.depthMax }

    /// Sends the command of an operation; the reply comes to ``received(_:_:)``.
    func send(
        _ operation: Operation,
        _ effect: CommandEffect,
        _ context: CallContext,
        replies: Int = 1,
        detail: UInt32 = 0,
        _ encode: (inout ByteBuffer) -> Void
    ) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: operation.rawValue, detail: detail, call: context.call.rawValue),
            effect: effect,
            deadline: context.deadline,
            replies: replies
        )
        link.send(request, lane: context.lane, encode)
    }

    /// Sends the command of a write of one entry, of which nothing is kept until its reply.
    func sendWrite(
        _ operation: Operation,
        _ effect: CommandEffect,
        _ context: CallContext,
        _ namespace: JSONString?,
        _ key: ByteView,
        isRemembered: Bool = false,
        replies: Int = 1,
        _ encode: (inout ByteBuffer) -> Void
    ) {
        let detail = WriteDetail(
            write: beginWrite(near.name(namespace, key)),
            namespace: register.number(of: namespace),
            isRemembered: isRemembered
        )
        send(operation, effect, context, replies: replies, detail: detail.rawValue, encode)
    }

    /// Sends a command that is the same twice as once and whose reply nobody waits for.
    ///
    /// - Parameters:
    ///   - lane: Commands of one lane are executed in the order sent.
    ///   - encode: Appends the command.
    func sendUnattended(_ lane: Int, _ encode: (inout ByteBuffer) -> Void) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.unattended.rawValue),
            effect: .idempotentWrite,
            deadline: Instant.now.advanced(by: Cache.furtherStepTimeout)
        )
        link.send(request, lane: lane, encode)
    }

    /// Sends the command of a write of the entry whose key has this full name.
    func sendWrite(
        _ operation: Operation,
        _ effect: CommandEffect,
        _ context: CallContext,
        _ name: [UInt8],
        _ namespace: UInt16,
        _ encode: (inout ByteBuffer) -> Void
    ) {
        let write = name.withByteView { beginWrite($0) }
        let detail = WriteDetail(write: write, namespace: namespace, isRemembered: false)
        send(operation, effect, context, detail: detail.rawValue, encode)
    }
}

// MARK: Replies

extension Cache {
    /// Answers the call that the command was sent for.
    public func received(_ reply: Reply, _ completion: Completion) {
        let call = CallID(rawValue: completion.call)
        let operation = operation(of: completion)
        guard endWrite(operation, completion.detail, reply) else { return verify(operation, completion, reply) }
        switch operation {
        case .life: return answerLife(completion, reply)
        case .lease: return answerLease(completion.detail, reply)
        case .unattended:
            // What is refused now may be taken later.
            if reply.kind == .error { return unattendedFailed(completion.detail) }
            leases.releases[completion.detail] = nil
            return
        case .setLeased: return answerSetLeased(call, reply, WriteDetail(rawValue: completion.detail).namespace)
        default: break
        }
        if reply.kind == .error || reply.kind == .tooLarge {
            leaseEnded(call, isReleased: false)
            endRead(operation, completion.detail)
            return calls.fail(call, RPCError(refusal: reply, operation.effect))
        }
        let detail = Int(completion.detail)
        switch operation {
        case .get: answerGet(call, reply, completion.detail)
        case .getWithLife: answerGetWithLife(call, reply, completion.detail)
        case .fill: answerFill(call, reply, detail)
        case .fillWithLife: answerFillWithLife(call, reply, detail)
        case .life, .lease, .unattended, .setLeased: return
        case .invalidateTags: answerInvalidateTags(call)
        case .fail: answerFail(call, reply)
        case .getMany: answerGetMany(call, reply, detail)
        case .exists: answerExists(call, reply, completion.detail)
        case .keys: answerKeys(call, reply, stemLength: detail)
        case .set: answerSet(call, reply, WriteDetail(rawValue: completion.detail).namespace)
        case .setMany: answerSetMany(call, reply, detail)
        case .delete, .deleteMany, .hashDelete: answerDelete(call, reply)
        case .touch: answerTouch(call, reply)
        case .increment, .hashIncrement: answerIncrement(call, reply)
        case .hashSet: answerHashSet(call, reply)
        case .hashGet: answerHashGet(call, reply)
        case .hashGetAll: answerHashGetAll(call, reply)
        }
    }

    /// Answers the call that the command was sent for with the failure, or with a miss where that is better.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        let call = CallID(rawValue: completion.call)
        var error = RPCError(failure)
        let operation = operation(of: completion)
        endWrite(operation, completion.detail)
        // A cache that is away is a cache that misses: the application goes on.
        let isAway = failure.code == .unavailable
        switch operation {
        case .life: return
        case .unattended: return unattendedFailed(completion.detail)
        case .lease: return failedLease(completion.detail, failure)
        case .getMany where isAway && settings(ofNumber: batches[Int(completion.detail)].namespace).missesWhileAway:
            return answerManyDegraded(call, Int(completion.detail))
        case .get where isAway, .getWithLife where isAway, .fill where isAway, .fillWithLife where isAway:
            if missesWhileAway(operation, completion.detail) {
                return answerDegraded(call, operation, completion.detail)
            }
        // The outcome is remembered: repeating the request does no harm, whatever became of it.
        case .increment where WriteDetail(rawValue: completion.detail).isRemembered:
            error.isRetryable = true
        case .hashIncrement where completion.detail == 1:
            error.isRetryable = true
        default: break
        }
        leaseEnded(call, isReleased: false)
        endRead(operation, completion.detail)
        calls.fail(call, error)
    }

    /// Answers the call of a write that was not made with an error.
    func refuse(_ operation: Operation, _ completion: Completion, _ error: RPCError) {
        let call = CallID(rawValue: completion.call)
        endWrite(operation, completion.detail)
        leaseEnded(call, isReleased: false)
        calls.fail(call, error)
    }

    /// Whether a read that Valkey cannot answer is a miss in its namespace.
    private func missesWhileAway(_ operation: Operation, _ detail: UInt32) -> Bool {
        let isFill = operation == .fill || operation == .fillWithLife
        let namespace = isFill ? near.fill(Int(detail)).namespace : ReadDetail(rawValue: detail).namespace
        return settings(ofNumber: namespace).missesWhileAway
    }

    private func operation(of completion: Completion) -> Operation {
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a reply to a command that the cache did not send")
        }
        return operation
    }

    /// Gives back what a read held until its reply.
    func endRead(_ operation: Operation, _ detail: UInt32) {
        switch operation {
        case .fill, .fillWithLife: near.end(Int(detail))
        case .getMany: endBatch(Int(detail))
        default: break
        }
    }

    /// Gives back what a write held until its reply, unless the reply is none yet.
    ///
    /// - Returns: Whether it is one; a script that hands an entry back is to be called again.
    private func endWrite(_ operation: Operation, _ detail: UInt32, _ reply: Reply) -> Bool {
        switch operation {
        case .set, .setLeased, .touch, .increment:
            guard reply.kind != .array else { return false }
        default: break
        }
        endWrite(operation, detail)
        return true
    }

    /// Gives back what a write held until its reply.
    private func endWrite(_ operation: Operation, _ detail: UInt32) {
        switch operation {
        case .set, .setLeased, .fail, .delete, .touch, .increment:
            endWrite(WriteDetail(rawValue: detail).write)
        case .setMany, .deleteMany: endWrites(Int(detail & 0xf_ffff))
        case .invalidateTags: endTagWrites(Int(detail))
        default: break
        }
    }
}

extension Cache.Operation {
    /// What the operation's command does, for telling what became of a refused one.
    var effect: CommandEffect {
        switch self {
        case .get, .getWithLife, .fill, .fillWithLife, .life, .getMany, .exists, .keys, .hashGet, .hashGetAll: .read
        case .set, .setMany, .delete, .deleteMany, .touch, .fail, .lease, .unattended, .invalidateTags, .hashSet,
            .hashDelete:
            .idempotentWrite
        case .setLeased, .increment, .hashIncrement: .write
        }
    }
}
