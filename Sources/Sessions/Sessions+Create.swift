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

/// What a call of `session.create` asks for.
private struct NewSession: Sendable {
    var data: [UInt8]
    var subject: [UInt8]?
    var namespace: [UInt8]?
    var idle: Int64
    var lifetime: Int64
    var request: RequestName?

    /// Appends everything that makes two calls the same.
    func append(to digested: inout ByteBuffer) {
        SessionContent.append(subject: subject, data: ByteView(""), to: &digested)
        digested.append(decimal: namespace?.count ?? -1)
        digested.append(":")
        if let namespace { digested.append(namespace) }
        digested.append(decimal: idle)
        digested.append(":")
        digested.append(decimal: lifetime)
        digested.append(":")
        digested.append(data)
    }
}

/// The caller's name for a request, decoded, kept while a task runs.
struct RequestName: Sendable {
    /// The name.
    let bytes: [UInt8]

    /// Decodes a name.
    ///
    /// - Throws: ``RPCError`` where it is no text.
    init?(_ string: JSONString?, _ keyspace: Keyspace) throws(RPCError) {
        guard let string else { return nil }
        bytes = try keyspace.resolve(string, parameter: "request_id").copy()
    }

    /// Lends the name.
    func withString<Result>(_ body: (JSONString) throws(RPCError) -> Result) throws(RPCError) -> Result {
        try bytes.withByteView { view throws(RPCError) in try body(JSONString(raw: view, hasEscapes: false)) }
    }
}

extension Sessions {
    /// Answers `session.create`: one round trip once the key for subjects is known.
    ///
    /// - Throws: ``RPCError`` where data or subject is not usable.
    public func create(_ parameters: SessionCreateParameters, _ context: CallContext) throws(RPCError) {
        let namespace = parameters.namespace?.raw.copy()
        let bound = settings.lifetimeMax.isEmpty ? nil : settings.lifetimeMax[namespace ?? []]
        let session = NewSession(
            data: try oneLine(parameters.data, parameter: "data"),
            subject: try subject(parameters.subject),
            namespace: namespace,
            idle: min(parameters.idleMilliseconds, bound ?? .max),
            lifetime: min(parameters.lifetimeMilliseconds, bound ?? .max),
            request: try RequestName(parameters.requestID, keyspace)
        )
        calls.answer(context.call) { () async throws(RPCError) in try await self.create(session, context) }
    }

    /// The text of an object as it is kept; `{}` where it is not given.
    func oneLine(_ object: JSONValue?, parameter: String) throws(RPCError) -> [UInt8] {
        guard let object else { return Array("{}".utf8) }
        guard object.text.count <= settings.dataBytesMax else {
            throw .tooLarge("the \(parameter)", limitBytes: settings.dataBytesMax)
        }
        var buffer = ByteBuffer()
        buffer.append(jsonText: object.text)
        return buffer.view.copy()
    }

    /// The bytes of a subject.
    func subject(_ subject: JSONString?) throws(RPCError) -> [UInt8]? {
        guard let subject else { return nil }
        return try keyspace.resolve(subject, parameter: "subject").copy()
    }

    private func create(_ new: NewSession, _ context: CallContext) async throws(RPCError) -> [UInt8] {
        var secret: SecretBytes?
        if new.subject != nil || new.request != nil { secret = try await resolveSubjectKey(context.deadline) }
        var claim: RequestClaim?
        if let request = new.request, let secret {
            claim = RequestClaim(request, "session.create", context.userID, secret, keyspace) { new.append(to: &$0) }
        }
        return try await claiming(claim, context.deadline) { () async throws(RPCError) in
            try await self.create(new, secret, context)
        }
    }

    private func create(
        _ new: NewSession,
        _ secret: SecretBytes?,
        _ context: CallContext
    ) async throws(RPCError) -> [UInt8] {
        var tag = UInt16.random(in: 0..<SessionToken.tags)
        var index: [UInt8]?
        if let subject = new.subject, let secret {
            let place = place(ofSubject: subject, new.namespace, secret)
            (tag, index) = (place.tag, place.index)
        } else if let request = new.request, let secret {
            // The request's record lies where the session does, so the same request must lead there again.
            let name = Array("request\(context.userID):".utf8) + (new.namespace ?? []) + [0] + request.bytes
            tag = Sessions.tag(secret.hmac(name))
        }
        let time = link.serverTime.milliseconds
        var head = EnvelopeHead(.session)
        head.generation = 1
        head.createdAt = time
        head.seenAt = time
        head.expiresAt = time + new.lifetime
        head.idle = new.idle
        if let index { head.index = index }
        var token = SessionToken.make(tag: tag)
        defer { token.wipe() }
        let key = SessionKey(
            tag: tag,
            digest: token.withByteView { $0.hashed(sealer.hasher) },
            namespace: new.namespace
        )
        let outcome = OpenedSession(token: token, handle: key.handle, head: head).json
        let session = LoadedSession(
            head: head,
            nonce: [],
            salt: [],
            keyID: 0,
            subject: new.subject,
            data: new.data
        )
        let memory = try remember(new.request, "session.create", key, outcome, secret, context) { digested in
            new.append(to: &digested)
        }
        let reply = try await send(session, key, memory, context)
        return try answer(reply, outcome, memory)
    }

    private func send(
        _ session: LoadedSession,
        _ key: SessionKey,
        _ memory: SealedOutcome?,
        _ context: CallContext
    ) async throws(RPCError) -> ReplyValue {
        let envelope = seal(session, key, salt: nil)
        let hasIndex = session.head.hasSubject
        // A record makes a repetition harmless, and so does nothing else.
        return try await call(memory == nil ? .write : .idempotentWrite, context.deadline) { command in
            let keys = 1 + (hasIndex ? 1 : 0) + (memory == nil ? 0 : 1)
            command.append(callOf: SessionScripts.create, keys: keys, arguments: 12)
            command.append(word: keyspace.name(.session, key))
            if hasIndex { command.append(word: keyspace.indexName(key, session.head.index)) }
            memory?.request.appendKey(to: &command)
            RememberedRequest.appendArguments(memory?.request, to: &command)
            command.append(word: memory == nil ? "0" : "1")
            command.append(word: envelope)
            command.append(word: session.head.idleExpiresAt)
            command.append(word: memory?.envelope ?? [])
            command.append(word: Int64(settings.perSubjectMax))
            command.append(word: settings.policy == .reject ? "1" : "0")
            command.append(word: keyspace.stem(.session, key.namespace, tag: key.tag))
            command.append(word: key.member)
            command.append(word: session.head.createdAt)
            command.append(word: session.head.expiresAt)
        }
    }

    private func answer(
        _ reply: ReplyValue,
        _ outcome: [UInt8],
        _ memory: SealedOutcome?
    ) throws(RPCError) -> [UInt8] {
        if let sealed = reply.bytes, let memory { return try open(sealed, memory) }
        guard let ended = reply.integer else {
            throw RPCError(.internalError, "Valkey answered a script with something else than a number")
        }
        guard ended >= 0 else {
            counts.rejected += 1
            log.info("a subject has too many sessions", ["event": "excess_sessions_exceeded", "policy": "reject"])
            throw RPCError(
                .conflict,
                "the subject has \(settings.perSubjectMax) sessions, and more are not allowed",
                outcome: .notApplied
            )
        }
        counts.created += 1
        counts.evicted += UInt64(ended)
        if ended > 0 {
            log.info("a subject has too many sessions", ["event": "excess_sessions_exceeded", "ended": String(ended)])
        }
        return outcome
    }
}

/// A session as the call that gave it a token returns it.
struct OpenedSession {
    /// The token.
    let token: [UInt8]
    /// The handle.
    let handle: [UInt8]
    /// What the envelope's head says.
    let head: EnvelopeHead

    /// The result of the call.
    var json: [UInt8] {
        var result = ByteBuffer()
        result.append("{\"token\":\"")
        result.append(token)
        result.append("\",\"handle\":\"")
        result.append(handle)
        result.append("\",\"version\":")
        result.append(decimal: head.generation)
        result.append(",\"idle_expires_at_ms\":")
        result.append(decimal: head.idleExpiresAt)
        result.append(",\"expires_at_ms\":")
        result.append(decimal: head.expiresAt)
        result.append(UInt8(ascii: "}"))
        return result.view.copy()
    }
}
