import Bytes
public import Contract
import Crypto
import JSON
public import JSONRPC
import Linux
import Sealing
public import Store
import Valkey

extension Sessions {
    /// Answers `session.rotate`: two round trips where nobody else writes.
    ///
    /// - Throws: ``RPCError`` where the token is not usable.
    public func rotate(_ parameters: SessionRotateParameters, _ context: CallContext) throws(RPCError) {
        guard let key = try key(ofToken: parameters.token, parameters.namespace) else { throw Sessions.notFound }
        let grace = parameters.graceMilliseconds
        let request = try RequestName(parameters.requestID, keyspace)
        calls.answer(context.call) { () async throws(RPCError) in
            let name = self.keyspace.name(.session, key)
            try await self.turns.enter(name, until: context.deadline)
            defer { self.turns.leave(name) }
            return try await self.rotate(key, grace: grace, request, context)
        }
    }

    private func rotate(
        _ key: SessionKey,
        grace: Int64,
        _ request: RequestName?,
        _ context: CallContext
    ) async throws(RPCError) -> [UInt8] {
        let secret = request == nil ? nil : try await resolveSubjectKey(context.deadline)
        var claim: RequestClaim?
        if let request, let secret {
            claim = RequestClaim(request, "session.rotate", context.userID, secret, keyspace) { digested in
                digested.append(key.place)
                digested.append(decimal: grace)
            }
        }
        return try await claiming(claim, context.deadline) { () async throws(RPCError) in
            try await self.rotate(key, grace: grace, request, secret, context)
        }
    }

    private func rotate(
        _ key: SessionKey,
        grace: Int64,
        _ request: RequestName?,
        _ secret: SecretBytes?,
        _ context: CallContext
    ) async throws(RPCError) -> [UInt8] {
        var attempt = 0
        while true {
            var token = SessionToken.make(tag: key.tag)
            defer { token.wipe() }
            let next = SessionKey(
                tag: key.tag,
                digest: token.withByteView { $0.hashed(sealer.hasher) },
                namespace: key.namespace
            )
            let memory = try remember(request, "session.rotate", key, [], secret, context) { digested in
                digested.append(key.digest)
                digested.append(decimal: grace)
            }
            // A repeated request finds its session moved already, by itself.
            if let memory, let known = try await recall(memory, context.deadline) { return known }
            guard var session = try await load(key, context.deadline) else { throw Sessions.notFound }
            session.head.generation += 1
            session.head.seenAt = link.serverTime.milliseconds
            let result = OpenedSession(token: token, handle: next.handle, head: session.head).json
            let sealed = memory.map { seal(result, as: $0) }
            let reply = try await move(session, from: key, to: next, grace: grace, sealed, context.deadline)
            if let known = reply.bytes, let sealed { return try open(known, sealed) }
            if reply.integer == 1 {
                counts.rotated += 1
                return result
            }
            attempt += 1
            try await pause(afterAttempt: attempt, context.deadline)
        }
    }

    private func seal(_ outcome: [UInt8], as memory: SealedOutcome) -> SealedOutcome {
        let envelope = outcome.withByteView { seal($0, EnvelopeHead(.outcome), place: memory.place) }
        return SealedOutcome(request: memory.request, envelope: envelope, place: memory.place)
    }

    /// What was remembered of a request that was made before.
    private func recall(_ memory: SealedOutcome, _ deadline: Instant) async throws(RPCError) -> [UInt8]? {
        let reply = try await preparing { () async throws(RPCError) in
            try await call(.read, deadline) { command in
                command.append(commandOf: 2)
                command.append(word: "GET")
                memory.request.appendKey(to: &command)
            }
        }
        guard let record = reply.bytes else { return nil }
        return try open(memory.request.outcome(in: record), memory)
    }

    private func move(
        _ session: LoadedSession,
        from key: SessionKey,
        to next: SessionKey,
        grace: Int64,
        _ memory: SealedOutcome?,
        _ deadline: Instant
    ) async throws(RPCError) -> ReplyValue {
        let envelope = seal(session, next, salt: nil)
        let graceEnd = min(session.head.seenAt + grace, session.head.expiresAt)
        let graceEnvelope = grace == 0 ? [] : seal(graceFor: next, session, at: key, until: graceEnd)
        let hasIndex = session.head.hasSubject
        return try await call(memory == nil ? .write : .idempotentWrite, deadline) { command in
            let keys = 2 + (hasIndex ? 1 : 0) + (memory == nil ? 0 : 1)
            command.append(callOf: SessionScripts.rotate, keys: keys, arguments: 13)
            command.append(word: keyspace.name(.session, key))
            command.append(word: keyspace.name(.session, next))
            if hasIndex { command.append(word: keyspace.indexName(key, session.head.index)) }
            memory?.request.appendKey(to: &command)
            RememberedRequest.appendArguments(memory?.request, to: &command)
            command.append(word: memory == nil ? "0" : "1")
            command.append(word: session.nonce)
            command.append(word: envelope)
            command.append(word: session.head.idleExpiresAt)
            command.append(word: memory?.envelope ?? [])
            command.append(word: graceEnvelope)
            command.append(word: graceEnd)
            command.append(word: key.member)
            command.append(word: next.member)
            command.append(word: session.head.createdAt)
            command.append(word: session.head.expiresAt)
        }
    }

    /// The record by which an old token still leads to the session: the digest of the new one, sealed.
    private func seal(
        graceFor next: SessionKey,
        _ session: LoadedSession,
        at key: SessionKey,
        until end: Int64
    ) -> [UInt8] {
        var head = EnvelopeHead(.grace)
        head.generation = session.head.generation
        head.createdAt = session.head.seenAt
        head.seenAt = session.head.seenAt
        head.expiresAt = end
        // A tombstone in its place lasts as long as one of the session would, and no longer than the grace.
        head.idle = session.head.idle
        return next.digest.withByteView { seal($0, head, place: key.place) }
    }
}
