import Bytes
public import EventLoop
public import JSONRPC
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
        case get
        case getWithLife
        case getMany
        case exists
        case keys
        case set
        case setMany
        case delete
        case touch
        case increment
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
    /// How namespaces behave; may be replaced while calls run.
    public var namespaces: Namespaces
    var valueScratch = ByteBuffer()

    /// Serves the methods from the cache store.
    public init(link: Link, calls: CallTable, keyspace: Keyspace, namespaces: Namespaces) {
        self.link = link
        self.calls = calls
        self.keyspace = keyspace
        self.namespaces = namespaces
        for script in CacheScripts.all { link.register(script) }
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

    /// Answers the call that the command was sent for.
    public func received(_ reply: Reply, _ completion: Completion) {
        let call = CallID(rawValue: completion.call)
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a reply to a command that the cache did not send")
        }
        if reply.kind == .error || reply.kind == .tooLarge {
            return calls.fail(call, RPCError(refusal: reply, operation.effect))
        }
        switch operation {
        case .get: answerGet(call, reply)
        case .getWithLife: answerGetWithLife(call, reply)
        case .getMany: answerGetMany(call, reply)
        case .exists: answerExists(call, reply)
        case .keys: answerKeys(call, reply, stemLength: Int(completion.detail))
        case .set: answerSet(call, reply)
        case .setMany: answerSetMany(call, reply)
        case .delete: answerDelete(call, reply)
        case .touch: answerTouch(call, reply)
        case .increment, .hashIncrement: answerIncrement(call, reply)
        case .hashSet: answerHashSet(call, reply)
        case .hashGet: answerHashGet(call, reply)
        case .hashGetAll: answerHashGetAll(call, reply)
        case .hashDelete: answerDelete(call, reply)
        }
    }

    /// Answers the call that the command was sent for with the failure, or with a miss where that is better.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        let call = CallID(rawValue: completion.call)
        var error = RPCError(failure)
        switch Operation(rawValue: completion.operation) {
        // A cache that is away is a cache that misses: the application goes on.
        case .get where failure.code == .unavailable, .getWithLife where failure.code == .unavailable:
            return answerDegraded(call)
        case .getMany where failure.code == .unavailable:
            return answerManyDegraded(call, count: Int(completion.detail))
        // The outcome is remembered: repeating the request does no harm, whatever became of it.
        case .increment where completion.detail == 1, .hashIncrement where completion.detail == 1:
            error.isRetryable = true
        default: break
        }
        calls.fail(call, error)
    }
}

extension Cache.Operation {
    /// What the operation's command does, for telling what became of a refused one.
    var effect: CommandEffect {
        switch self {
        case .get, .getWithLife, .getMany, .exists, .keys, .hashGet, .hashGetAll: .read
        case .set, .setMany, .delete, .touch, .hashSet, .hashDelete: .idempotentWrite
        case .increment, .hashIncrement: .write
        }
    }
}
