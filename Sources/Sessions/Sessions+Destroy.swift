import Bytes
public import Contract
import Crypto
import JSON
public import JSONRPC
import Linux
import Observability
import Sealing
public import Store
import Valkey

extension Sessions {
    /// Answers `session.destroy`: two round trips, and nothing is decrypted; two more for each rotation whose grace the
    /// token is in.
    ///
    /// - Throws: ``RPCError`` where token or handle is not usable.
    public func destroy(_ parameters: SessionDestroyParameters, _ context: CallContext) throws(RPCError) {
        guard let key = try target(parameters) else {
            return calls.reply(context.call) { $0.append("{\"destroyed\":false}") }
        }
        calls.answer(context.call) { () async throws(RPCError) in
            let isDestroyed = try await self.destroy(key, context.deadline)
            return Array("{\"destroyed\":\(isDestroyed)}".utf8)
        }
    }

    /// The session that is meant, or nil where no session can be.
    private func target(_ parameters: SessionDestroyParameters) throws(RPCError) -> SessionKey? {
        if let token = parameters.token { return try key(ofToken: token, parameters.namespace) }
        guard let handle = parameters.handle else { preconditionFailure("the contract demands token or handle") }
        let text = try keyspace.resolve(handle, parameter: "handle")
        guard let (tag, digest) = SessionToken.read(handle: text) else { return nil }
        return SessionKey(tag: tag, digest: digest, namespace: parameters.namespace?.raw.copy())
    }

    /// Ends the session at a place, or the one that a grace record there leads to; answers whether there was one.
    private func destroy(_ key: SessionKey, _ deadline: Instant) async throws(RPCError) -> Bool {
        let name = keyspace.name(.session, key)
        try await turns.enter(name, until: deadline)
        defer { turns.leave(name) }
        var attempt = 0
        while true {
            let (target, head) = try await ending(key, deadline)
            let index = head.flatMap { $0.hasSubject ? $0.index : nil }
            let reply = try await call(.write, deadline) { command in
                command.append(callOf: SessionScripts.destroy, keys: index == nil ? 2 : 3, arguments: 2)
                command.append(word: keyspace.name(.session, target))
                command.append(word: keyspace.name(.sessionAside, target))
                if let index { command.append(word: keyspace.indexName(target, index)) }
                command.append(word: target.member)
                command.append(word: head?.kind == .grace ? "1" : "0")
            }
            if reply.integer == 1 { counts.destroyed += 1 }
            guard let ended = reply.integer, ended < 0 else { return reply.integer == 1 }
            // It was rotated meanwhile, and lives on under another name.
            attempt += 1
            try await pause(afterAttempt: attempt, deadline)
        }
    }

    /// What is to be ended where a token or a handle names a place: what lies there, or what grace records lead to.
    ///
    /// - Parameters:
    ///   - key: The place.
    ///   - deadline: When to stop waiting.
    /// - Returns: The place of what is to be ended, and its head as far as it can be read: a grace record's where it leads
    ///   nowhere.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    private func ending(
        _ key: SessionKey,
        _ deadline: Instant
    ) async throws(RPCError) -> (target: SessionKey, head: EnvelopeHead?) {
        var target = key
        var head = try await head(of: target, deadline)
        for _ in 0..<Sessions.hopsMax {
            // What a read would not follow is not followed here.
            guard let grace = head, grace.kind == .grace, link.serverTime.latest < grace.expiresAt else { break }
            guard let bytes = try told(try await stored(target, deadline)) else { break }
            do throws(EnvelopeFault) {
                guard let next = try successor(bytes, at: target) else { break }
                target = next
            } catch {
                _ = note(error)
                break
            }
            head = try await self.head(of: target, deadline)
        }
        return (target, head)
    }

    /// The head of what lies at a place, as far as it can be read.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey: nothing was applied.
    private func head(of key: SessionKey, _ deadline: Instant) async throws(RPCError) -> EnvelopeHead? {
        let reply: ReplyValue
        do throws(LinkFailure) {
            reply = try await link.call(.read, deadline: deadline, lane: -1) { command in
                append(headOf: keyspace.name(.session, key), to: &command)
            }
        } catch {
            throw RPCError(error).beforeEffect
        }
        guard let bytes = try told(reply) else { return nil }
        return bytes.withByteView { view in (try? Envelope(view, isHeadOnly: true)).map { EnvelopeHead($0) } }
    }

    /// Appends the command that reads a record's head.
    func append(headOf name: [UInt8], to command: inout ByteBuffer) {
        command.append(commandOf: 4)
        command.append(word: "GETRANGE")
        command.append(word: name)
        command.append(word: 0)
        command.append(word: Int64(Envelope.headBytes - 1))
    }

    /// Answers `session.list`: one round trip once the key for subjects is known.
    ///
    /// - Throws: ``RPCError`` where the subject is not usable.
    public func list(_ parameters: SessionListParameters, _ context: CallContext) throws(RPCError) {
        guard let subject = try subject(parameters.subject) else { preconditionFailure("the contract demands it") }
        let namespace = parameters.namespace?.raw.copy()
        calls.answer(context.call) { () async throws(RPCError) in
            do throws(RPCError) {
                return try await self.list(subject, namespace, context.deadline)
            } catch {
                // It only reads: what it takes out of the index on its way, or the key for subjects that it writes down,
                // is no effect of its own.
                var error = error
                error.outcome = nil
                throw error
            }
        }
    }

    private func list(
        _ subject: [UInt8],
        _ namespace: [UInt8]?,
        _ deadline: Instant
    ) async throws(RPCError) -> [UInt8] {
        let secret = try await resolveSubjectKey(deadline)
        let (tag, index) = place(ofSubject: subject, namespace, secret)
        let key = SessionKey(tag: tag, digest: [], namespace: namespace)
        let reply = try await call(.read, deadline) { command in
            command.append(callOf: SessionScripts.list, keys: 1, arguments: 1)
            command.append(word: keyspace.indexName(key, index))
            command.append(word: keyspace.stem(.session, namespace, tag: tag))
        }
        return listing(reply.elements ?? [], tag)
    }

    /// The result of a listing: names and heads of sessions, one after the other.
    private func listing(_ elements: [ReplyValue], _ tag: UInt16) -> [UInt8] {
        var result = ByteBuffer()
        result.append("{\"sessions\":[")
        var isFirst = true
        let now = link.serverTime.latest
        for position in stride(from: 0, to: elements.count - 1, by: 2) {
            guard let member = elements[position].bytes, let bytes = elements[position + 1].bytes else { continue }
            let handle = SessionKey.text(ofTag: tag) + member
            let head = bytes.withByteView { view in (try? Envelope(view, isHeadOnly: true)).map { EnvelopeHead($0) } }
            guard handle.count == SessionToken.handleBytes, let head, !head.isOver(at: now) else { continue }
            result.append(isFirst ? "{\"handle\":\"" : ",{\"handle\":\"")
            isFirst = false
            result.append(handle)
            result.append("\",\"created_at_ms\":")
            result.append(decimal: head.createdAt)
            result.append(",\"seen_at_ms\":")
            result.append(decimal: head.seenAt)
            result.append(",\"expires_at_ms\":")
            result.append(decimal: head.expiresAt)
            result.append(UInt8(ascii: "}"))
        }
        result.append("]}")
        return result.view.copy()
    }

    /// Answers `session.destroy_all`: one round trip once the key for subjects is known.
    ///
    /// - Throws: ``RPCError`` where subject or token is not usable.
    public func destroyAll(_ parameters: SessionDestroyAllParameters, _ context: CallContext) throws(RPCError) {
        guard let subject = try subject(parameters.subject) else { preconditionFailure("the contract demands it") }
        let namespace = parameters.namespace?.raw.copy()
        var spared: SessionKey?
        if let token = parameters.except {
            // Ending the very session that was to be kept would be worse than ending none.
            guard let key = try key(ofToken: token, parameters.namespace) else {
                throw .invalidParams("except must be a token", parameter: "except")
            }
            spared = key
        }
        let except = spared
        calls.answer(context.call) { () async throws(RPCError) in
            let secret = try await self.resolveSubjectKey(context.deadline)
            let place = self.place(ofSubject: subject, namespace, secret)
            let ended = try await self.destroyAll(place, namespace, except, context.deadline)
            self.counts.destroyed += UInt64(max(ended, 0))
            self.log.info(
                "all sessions of a subject were ended",
                ["ended": String(ended), "uid": String(context.userID), "spared": except == nil ? "no" : "one"]
            )
            return Array("{\"destroyed\":\(ended)}".utf8)
        }
    }

    /// Ends the sessions of a subject but the one that a token leads to; answers how many.
    private func destroyAll(
        _ place: (tag: UInt16, index: [UInt8]),
        _ namespace: [UInt8]?,
        _ except: SessionKey?,
        _ deadline: Instant
    ) async throws(RPCError) -> Int64 {
        let key = SessionKey(tag: place.tag, digest: [], namespace: namespace)
        var attempt = 0
        while true {
            let spared: SessionKey? =
                if let except { try await self.spared(except, deadline) } else { nil }
            let reply = try await call(.write, deadline) { command in
                command.append(callOf: SessionScripts.destroyAll, keys: 1, arguments: 2)
                command.append(word: keyspace.indexName(key, place.index))
                command.append(word: keyspace.stem(.session, namespace, tag: place.tag))
                command.append(word: spared?.member ?? [])
            }
            guard let ended = reply.integer, ended < 0 else { return reply.integer ?? 0 }
            // It was rotated meanwhile, and lives on under another name.
            attempt += 1
            try await pause(afterAttempt: attempt, deadline)
        }
    }

    /// The session that a token leads to, through the grace records of its rotations.
    ///
    /// - Throws: ``RPCError`` where a record on the way cannot be read, or there are too many: what is to be kept is not
    ///   known then.
    private func spared(_ key: SessionKey, _ deadline: Instant) async throws(RPCError) -> SessionKey {
        var key = key
        for _ in 0...Sessions.hopsMax {
            guard let next = try await graceful(key, deadline) else { return key }
            key = next
        }
        throw RPCError(.internalError, "the session to keep cannot be told", outcome: .notApplied)
    }

    /// Where a grace record leads to, which is at this place; nil where something else is.
    private func graceful(_ key: SessionKey, _ deadline: Instant) async throws(RPCError) -> SessionKey? {
        let reply = try await stored(key, deadline)
        // What was refused to be read may lead to the session that is to be kept.
        if case .error(let text) = reply { throw text.withByteView { RPCError(refusal: $0, .write) } }
        guard let bytes = reply.bytes else { return nil }
        do throws(EnvelopeFault) {
            return try successor(bytes, at: key)
        } catch {
            _ = note(error)
            throw RPCError(.internalError, "the session to keep cannot be told", outcome: .notApplied)
        }
    }

    /// Where the grace record leads to that these bytes are; nil where they are something else.
    private func successor(_ bytes: [UInt8], at key: SessionKey) throws(EnvelopeFault) -> SessionKey? {
        try bytes.withByteView { (view) throws(EnvelopeFault) -> SessionKey? in
            guard let envelope = try? Envelope(view), envelope.kind == .grace else { return nil }
            var text = ByteBuffer()
            try key.place.withByteView { (place) throws(EnvelopeFault) in
                try sealer.open(envelope, place: place, to: &text)
            }
            guard text.count == SHA256.count else { throw .damaged }
            return SessionKey(tag: key.tag, digest: text.view.copy(), namespace: key.namespace)
        }
    }
}
