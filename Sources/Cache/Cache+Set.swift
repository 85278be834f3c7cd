import Bytes
public import Contract
import EventLoop
public import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

/// A write of one entry that is more than its value and life.
struct EntryWrite {
    /// Full name of the entry's key.
    let name: [UInt8]
    /// Number of its namespace.
    let namespace: UInt16
    /// Life in milliseconds; nil for no end.
    let life: Int64?
    /// How long the value may be served after its life, in milliseconds; 0 for not at all.
    let stale: Int64
    /// Whether there must be an entry, or must be none.
    let condition: CacheSetParameters.Condition?
    /// The lease that must run.
    let lease: [UInt8]?
    /// What no write after this one may stay below.
    let fence: Int64?

    /// How long the entry lies in Valkey, in milliseconds; nil for no end.
    var lifeInStore: Int64? { life.map { $0 + stale } }
}

extension Cache {
    /// The error by which a script says that a lease has ended.
    static let voidMark: StaticString = "SQUIREVOID"
    /// What the write of an entry is answered whose lease has ended.
    static let voidLease = RPCError(
        .leaseVoid,
        "the lease has ended: its time passed, or the entry was written or invalidated",
        outcome: .notApplied
    )
    /// How long the highest fence of a key is kept after its last write, in milliseconds.
    static let fenceLifeMilliseconds: Int64 = 86_400_000

    /// Answers `cache.set`: one round trip, or two where the entry has tags.
    ///
    /// - Throws: ``RPCError`` where key, value or a tag is not usable.
    public func set(_ parameters: CacheSetParameters, _ context: CallContext) throws(RPCError) {
        let value = try resolve(parameters.value, parameters.text, parameters.base64)
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        let life = life(parameters.ttlMilliseconds, in: parameters.namespace)
        if isLocal(parameters.namespace) { return try setLocal(parameters, value, key, life, context) }
        let isPlain =
            parameters.condition == nil && parameters.lease == nil && parameters.tags == nil
            && parameters.staleMilliseconds == nil && parameters.fence == nil && !isEncoded(parameters.namespace)
        guard isPlain else { return try setWhole(parameters, value, key, life, context) }
        set(value, key, parameters.namespace, life, context)
    }

    /// Whether a value is stored in Valkey, as it was given, where no more is asked for.
    public func isPlain(_ namespace: JSONString?) -> Bool { !isLocal(namespace) && !isEncoded(namespace) }

    /// Answers a call of `cache.set` in a namespace of which ``isPlain(_:)`` says so: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func set(_ write: PlainWrite, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(write.key, parameter: "key")
        set(write.value.text, key, write.namespace, life(write.life, in: write.namespace), context)
    }

    private func set(
        _ value: ByteView,
        _ key: ByteView,
        _ namespace: JSONString?,
        _ life: Int64?,
        _ context: CallContext
    ) {
        sendWrite(.set, .idempotentWrite, context, namespace, key) { command in
            append(entry: value, key, namespace, life: life, to: &command)
        }
    }

    /// The life of an entry in milliseconds, or nil for no end.
    ///
    /// Most are as given: only for the others are the settings called, which copies them.
    private func life(_ given: NullableInteger, in namespace: JSONString?) -> Int64? {
        if !namespaces.hasBoundedLives, case .value(let milliseconds) = given { return milliseconds }
        return namespaces.life(given, in: namespace)
    }

    private func setWhole(
        _ parameters: CacheSetParameters,
        _ value: ByteView,
        _ key: ByteView,
        _ life: Int64?,
        _ context: CallContext
    ) throws(RPCError) {
        let name = keyspace.name(.cache, parameters.namespace, key)
        let write = EntryWrite(
            name: name,
            namespace: register.number(of: parameters.namespace),
            life: life,
            stale: life == nil ? 0 : namespaces.stale(parameters.staleMilliseconds, in: parameters.namespace),
            condition: parameters.condition,
            lease: parameters.lease?.raw.copy(),
            fence: parameters.fence
        )
        let tags = try parameters.tags.map { list throws(RPCError) in try tagNames(list, parameters.namespace) } ?? []
        guard !tags.isEmpty else { return send(write, value, tags: [], context) }
        let stem = keyspace.stem(.cacheTag, parameters.namespace?.raw.copy()).count
        let owned = value.copy()
        // No copy of what is about to go is served or kept, while the tags are asked for.
        let noted = write.name.withByteView { beginWrite($0) }
        Task { @EventLoop in
            defer { self.endWrite(noted) }
            do throws(RPCError) {
                let generations = try await self.grantGenerations(
                    tags,
                    life: write.lifeInStore,
                    context.deadline,
                    context.lane
                )
                if let lease = write.lease, self.isVoid(lease, of: write.name, generations, context.call) { return }
                let granted = zip(tags, generations).map { (name: Array($0.dropFirst(stem)), generation: $1) }
                owned.withByteView { self.send(write, $0, tags: granted, context) }
            } catch {
                self.calls.fail(context.call, error)
            }
        }
    }

    /// Ends a lease during which a tag of the entry was invalidated, as what was computed may be of before; of a lease
    /// that another agent gave nobody knows here when it began.
    ///
    /// - Returns: Whether it is so; the call is answered then.
    private func isVoid(_ lease: [UInt8], of name: [UInt8], _ generations: [[UInt8]], _ call: CallID) -> Bool {
        let leased = leases[name]
        let holder = leased?.holder.flatMap { $0.token == lease ? $0 : nil }
        guard generations.contains(where: { wasInvalidated($0, since: holder?.begun ?? 0) }) else { return false }
        calls.fail(call, Cache.voidLease)
        if let leased, let holder { pass(leased, holder) }
        return true
    }

    /// Sends the write of an entry whose tags have their generations.
    private func send(
        _ write: EntryWrite,
        _ value: ByteView,
        tags: [(name: [UInt8], generation: [UInt8])],
        _ context: CallContext
    ) {
        var stored = ByteBuffer()
        append(stored: value, name: write.name, stale: write.stale, tags: tags, write.namespace, to: &stored)
        let leased = write.lease == nil ? nil : leases[write.name]
        let holder = leased?.holder.flatMap { $0.token == write.lease ? $0 : nil }
        if let leased, let holder { leases.ending[context.call] = (leased, holder) }
        let isConditional = write.condition != nil || write.lease != nil || write.fence != nil
        // What is conditional answers with its own first effect where it is sent twice.
        sendWrite(
            write.lease == nil ? .set : .setLeased,
            isConditional ? .write : .idempotentWrite,
            context,
            write.name,
            write.namespace
        ) { command in
            if isConditional {
                append(
                    write,
                    stored.view,
                    isLocal: holder?.isLocal == true,
                    context.deadline,
                    to: &command
                )
            } else {
                append(name: write.name, stored.view, life: write.lifeInStore, to: &command)
            }
        }
    }

    func append(name: [UInt8], _ stored: ByteView, life: Int64?, to command: inout ByteBuffer) {
        command.append(commandOf: life == nil ? 3 : 5)
        command.append(word: "SET")
        name.withByteView { command.append(word: $0) }
        command.append(word: stored)
        guard let life else { return }
        command.append(word: "PX")
        command.append(word: life)
    }

    private func append(
        _ write: EntryWrite,
        _ stored: ByteView,
        isLocal: Bool,
        _ deadline: Instant,
        to command: inout ByteBuffer
    ) {
        command.append(callOf: CacheScripts.store, keys: write.fence == nil ? 1 : 2, arguments: 9)
        write.name.withByteView { command.append(word: $0) }
        if write.fence != nil { keyspace.fenceName(of: write.name).withByteView { command.append(word: $0) } }
        command.append(word: stored)
        append(life: write.lifeInStore, to: &command)
        switch write.condition {
        case .absent: command.append(word: "absent")
        case .present: command.append(word: "present")
        case nil: command.append(word: "")
        }
        (write.lease ?? []).withByteView { command.append(word: $0) }
        command.append(word: isLocal ? "1" : "0")
        command.append(word: write.fence.map { String($0) } ?? "")
        command.append(word: Cache.fenceLifeMilliseconds)
        command.append(word: deadline.nanoseconds)
        command.append(word: "")
    }

    func answerSet(_ call: CallID, _ reply: Reply, _ namespace: UInt16) {
        let isStored = reply.kind == .status
        if isStored { countSets(1, namespace) }
        calls.reply(call) { $0.append(isStored ? "{\"stored\":true}" : "{\"stored\":false}") }
    }

    func answerSetLeased(_ call: CallID, _ reply: Reply, _ namespace: UInt16) {
        leaseEnded(call, isReleased: reply.kind != .error || reply.isError(Cache.voidMark))
        guard reply.kind == .error else { return answerSet(call, reply, namespace) }
        guard reply.isError(Cache.voidMark) else { return calls.fail(call, RPCError(refusal: reply, .write)) }
        calls.fail(call, Cache.voidLease)
    }

    func countSets(_ count: Int, _ namespace: UInt16) {
        counts.sets += UInt64(count)
        register.counts[Int(namespace)].sets += UInt64(count)
    }
}
