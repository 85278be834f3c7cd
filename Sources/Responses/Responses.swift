import Bytes
import Contract
import Crypto
public import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
public import Valkey

/// The methods `response.*`: what language models answered, kept by what they were asked.
///
/// A request is known by ``RequestIdentity``. Its response is stored under the generations of its scope, its model and
/// its tags; a read compares them with those that hold, so an invalidation moves one generation on and touches no
/// entry. Who computes a missing response and who waits for it is what ``Flight`` knows.
@EventLoop
public final class Responses {
    /// Counts since the start.
    public struct Counts: Sendable {
        /// Requests that were answered from the store.
        public var hits: UInt64 = 0
        /// Requests that were not.
        public var misses: UInt64 = 0
        /// Of these, requests that came while Valkey was away.
        public var degraded: UInt64 = 0
        /// Responses stored.
        public var stored: UInt64 = 0
        /// Responses not stored because they said of themselves that they are incomplete.
        public var incomplete: UInt64 = 0
        /// Leases given.
        public var leases: UInt64 = 0
        /// Streams replayed to their end.
        public var replayed: UInt64 = 0
        /// Chunks sent.
        public var chunks: UInt64 = 0
    }

    /// The namespace by whose settings responses live.
    static let namespace = Array("response".utf8)
    /// What a generation lives longer than the entries under it.
    static let generationMarginMilliseconds: Int64 = 60_000
    /// How long ending a lease may take whose holder has gone.
    static let releaseTimeout = Duration.seconds(5)
    /// How often Valkey is asked by those who wait and are told of most ends of a lease.
    static let toldInterval = Duration.seconds(1)
    /// How often Valkey is asked by those who wait and cannot be told.
    static let untoldInterval = Duration.milliseconds(250)
    /// How long those who wait for a response have Valkey confirm that they will be told of it.
    static let subscriptionTimeout = Duration.seconds(5)
    /// Output of a connection, in bytes, from which on the next chunks wait until it was sent.
    static let outputBytesHigh = 64 << 10
    /// Bytes of entries that are being replayed to clients, at most.
    static let replayBytesMax = 128 << 20
    /// What a replay may take beyond the gaps of the recording, where the call names no deadline.
    static let replaySlack = Duration.seconds(60)

    /// Counts since the start.
    public internal(set) var counts = Counts()
    /// Says how long responses live, and whether they are encrypted; may be replaced while calls run.
    public var namespaces: Namespaces
    let link: Link
    let calls: CallTable
    let keyspace: Keyspace
    var savings = SavingsTable()
    var flights: [[UInt8]: Flight] = [:]
    var leases: [[UInt8]: HeldLease] = [:]
    var secrets: [SecretBytes] = []
    var sealer: ResponseSealer?
    var replays: [ObjectIdentifier: [Replay]] = [:]
    /// Bytes of entries that are being replayed.
    public internal(set) var replayBytes = 0
    private lazy var hasher = SHA256()
    private var scratch = ByteBuffer()

    /// Serves the methods from the cache store.
    ///
    /// - Parameters:
    ///   - link: The link to the store.
    ///   - calls: The calls that are to be answered.
    ///   - keyspace: Names keys.
    ///   - namespaces: Says how long responses live, and whether they are encrypted.
    public init(link: Link, calls: CallTable, keyspace: Keyspace, namespaces: Namespaces) {
        self.link = link
        self.calls = calls
        self.keyspace = keyspace
        self.namespaces = namespaces
        for script in ResponseScripts.all { link.register(script) }
        calls.addObserver(self)
        calls.addCanceller(self)
    }

    /// Calls that wait for a response that another one computes.
    public var waiting: Int { flights.values.reduce(0) { $0 + $1.waiters.count } }

    // MARK: Names

    /// Names a request.
    ///
    /// - Throws: ``RPCError`` where a part is too long or has no canonical form.
    func identity(_ parts: RequestIdentity.Parts) throws(RPCError) -> RequestIdentity {
        _ = try keyspace.resolve(parts.model, parameter: "model")
        _ = try keyspace.resolve(parts.scope, parameter: "scope")
        do throws(RequestIdentity.Fault) {
            return try RequestIdentity(parts, hasher, &scratch)
        } catch {
            switch error.reason {
            case .repeatedMember:
                throw .invalidParams(
                    "\(error.parameter) must not have an object with a member twice",
                    parameter: error.parameter
                )
            case .loneSurrogate:
                throw .invalidParams(
                    "\(error.parameter) must be text: it holds half of a surrogate pair",
                    parameter: error.parameter
                )
            }
        }
    }

    /// The name of a response's key, and of the channel over which those who wait for it are told.
    func name(_ fingerprint: [UInt8]) -> [UInt8] { keyspace.stem(.response, nil) + fingerprint }

    /// The names of the generations of a request, of the scope first.
    func generationNames(_ identity: RequestIdentity) -> [[UInt8]] {
        [
            keyspace.stem(.responseScope, nil) + identity.scope,
            keyspace.stem(.responseModel, nil) + identity.model,
        ]
    }

    /// The name of a tag's generation.
    func generationName(ofTag tag: [UInt8]) -> [UInt8] { keyspace.stem(.responseTag, nil) + tag }

    // MARK: Commands

    /// Sends commands at once and waits for what are no errors.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func callAll(
        _ count: Int,
        _ effect: CommandEffect,
        _ deadline: Instant,
        lane: Int,
        _ encode: (Int, inout ByteBuffer) -> Void
    ) async throws(RPCError) -> [ReplyValue] {
        let replies: [ReplyValue]
        do throws(LinkFailure) {
            replies = try await link.callAll(count, effect, deadline: deadline, lane: lane, encode)
        } catch {
            throw RPCError(error)
        }
        for case .error(let text) in replies { throw Responses.refusal(text, effect) }
        return replies
    }

    /// The error reply for an error of Valkey.
    static func refusal(_ text: String, _ effect: CommandEffect) -> RPCError {
        if text.hasPrefix("\(ResponseScripts.voidMark)") {
            return RPCError(
                .leaseVoid,
                "the lease has ended: its time passed, or the response was stored or invalidated",
                outcome: .notApplied
            )
        }
        return text.withByteView { RPCError(refusal: $0, effect) }
    }

    /// The generations of these names, which are made where there are none.
    ///
    /// - Parameters:
    ///   - names: Names of generations.
    ///   - life: How long they must live at least, in milliseconds; nil for without end.
    ///   - deadline: When to stop waiting.
    ///   - lane: Whose commands they go with.
    /// - Returns: The generations in the order of their names.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func generations(
        _ names: [[UInt8]],
        life: Int64?,
        _ deadline: Instant,
        lane: Int
    ) async throws(RPCError) -> [[UInt8]] {
        let replies = try await callAll(names.count, .idempotentWrite, deadline, lane: lane) { index, command in
            command.append(callOf: ResponseScripts.generation, keys: 1, arguments: 2)
            names[index].withByteView { command.append(word: $0) }
            Hexadecimal.random(words: 1).withByteView { command.append(word: $0) }
            command.append(life: life)
        }
        return try replies.map { (reply) throws(RPCError) in
            guard let generation = reply.bytes, generation.count == StoredResponse.wordCount else {
                throw RPCError(.internalError, "Valkey answered a script with something else than a generation")
            }
            return generation
        }
    }
}

extension Responses: PeerObserver {
    /// Passes the connection's leases on, and ends its replays.
    public func peerClosed(_ peer: Peer) {
        releaseLeases(of: peer)
        endReplays(of: peer)
    }

    /// Sends more of what is replayed to the connection.
    public func peerDrained(_ peer: Peer) {
        goOnReplaying(to: peer)
    }
}

extension ByteBuffer {
    /// Appends a life in milliseconds as a script's argument: nothing stands for no end.
    mutating func append(life: Int64?) {
        if let life {
            append(word: life)
        } else {
            append(word: "")
        }
    }
}
