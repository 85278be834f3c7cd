import Bytes
import Contract
import Crypto
import EventLoop
import JSON
import JSONRPC
import Linux
import Sealing
import Store
import Valkey

/// A session that a task has read and opened.
struct LoadedSession {
    /// What its head says.
    var head: EnvelopeHead
    /// Tells this write of the session from every other one.
    let nonce: [UInt8]
    /// What its subkey is made of.
    let salt: [UInt8]
    /// The master key that it is sealed under.
    let keyID: UInt64
    /// Whose session it is.
    let subject: [UInt8]?
    /// What it holds: an object on one line.
    var data: [UInt8]
}

extension Sessions {
    /// The session that a token names, or nil where the text cannot be a token.
    ///
    /// - Throws: ``RPCError`` where it is longer than any key may be.
    func key(ofToken token: JSONString, _ namespace: JSONString?) throws(RPCError) -> SessionKey? {
        let token = try keyspace.resolve(token, parameter: "token")
        guard let tag = SessionToken.tag(of: token) else { return nil }
        return SessionKey(tag: tag, digest: token.hashed(sealer.hasher), namespace: namespace?.raw.copy())
    }

    /// Sends a command and waits for what is no error.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func call(
        _ effect: CommandEffect,
        _ deadline: Instant,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(RPCError) -> ReplyValue {
        try await link.result(effect, deadline: deadline, lane: -1, encode)
    }

    /// Reads what lies under a session's key, before it is changed.
    ///
    /// - Returns: Valkey's reply, which may be an error.
    /// - Throws: ``RPCError`` of the link: nothing was applied.
    func stored(_ key: SessionKey, _ deadline: Instant) async throws(RPCError) -> ReplyValue {
        do throws(LinkFailure) {
            return try await link.call(.read, deadline: deadline, lane: -1) { command in
                command.append("*2\r\n$3\r\nGET\r\n")
                command.append(word: keyspace.name(.session, key))
            }
        } catch {
            throw RPCError(error).beforeEffect
        }
    }

    /// What Valkey answered who reads a record before something is done about it.
    ///
    /// - Parameter reply: The reply.
    /// - Returns: What lies there; nil where nothing does, or no string.
    /// - Throws: ``RPCError`` where Valkey refused to tell: nothing was applied, and nothing is known of the record.
    func told(_ reply: ReplyValue) throws(RPCError) -> [UInt8]? {
        if case .error(let text) = reply, !text.hasPrefix("WRONGTYPE") {
            throw text.withByteView { RPCError(refusal: $0, .write) }
        }
        return reply.bytes
    }

    /// Takes a step before the one that has the effect of its call.
    ///
    /// - Parameter step: The step.
    /// - Returns: What the step returned.
    /// - Throws: What the step throws, with nothing applied.
    func preparing<Value>(_ step: () async throws(RPCError) -> Value) async throws(RPCError) -> Value {
        do throws(RPCError) {
            return try await step()
        } catch {
            throw error.beforeEffect
        }
    }

    /// Reads and opens a session, before it is changed.
    ///
    /// - Returns: The session; nil where there is none that lives and can be read, which is noted.
    /// - Throws: ``RPCError`` of the link or of Valkey: nothing was applied.
    func load(_ key: SessionKey, _ deadline: Instant) async throws(RPCError) -> LoadedSession? {
        let reply = try await stored(key, deadline)
        if case .error(let text) = reply {
            guard text.hasPrefix("WRONGTYPE") else { throw text.withByteView { RPCError(refusal: $0, .write) } }
            _ = note(.truncated)
            return nil
        }
        guard let bytes = reply.bytes, bytes != Envelope.tombstone else { return nil }
        do throws(EnvelopeFault) {
            guard let session = try bytes.withByteView({ (view) throws(EnvelopeFault) in try open(view, key) }) else {
                return nil
            }
            return session.head.isOver(at: link.serverTime.latest) ? nil : session
        } catch {
            _ = note(error)
            return nil
        }
    }

    /// Opens a session's envelope; nil where it is a grace record, which only reads follow.
    private func open(_ bytes: ByteView, _ key: SessionKey) throws(EnvelopeFault) -> LoadedSession? {
        let envelope = try Envelope(bytes)
        if envelope.kind == .grace { return nil }
        guard envelope.kind == .session else { throw .misplaced }
        var text = ByteBuffer()
        try key.place.withByteView { (place) throws(EnvelopeFault) in
            try sealer.open(envelope, place: place, to: &text)
        }
        guard let content = SessionContent(text.view) else { throw .damaged }
        return LoadedSession(
            head: EnvelopeHead(envelope),
            nonce: envelope.nonce.copy(),
            salt: envelope.salt.copy(),
            keyID: envelope.keyID,
            subject: content.subject?.copy(),
            data: content.data.copy()
        )
    }

    /// Seals a record for its place.
    ///
    /// - Parameters:
    ///   - text: The plaintext.
    ///   - head: What its head says.
    ///   - place: Where it will lie.
    ///   - salt: The session's salt, or nil for a new one.
    /// - Returns: The envelope.
    func seal(_ text: ByteView, _ head: EnvelopeHead, place: [UInt8], salt: [UInt8]? = nil) -> [UInt8] {
        var output = ByteBuffer()
        place.withByteView { place in
            guard let salt else { return sealer.seal(text, head, place: place, salt: nil, to: &output) }
            salt.withByteView { sealer.seal(text, head, place: place, salt: $0, to: &output) }
        }
        return output.view.copy()
    }

    /// Seals a session.
    func seal(_ session: LoadedSession, _ key: SessionKey, salt: [UInt8]?) -> [UInt8] {
        var text = ByteBuffer()
        session.data.withByteView { SessionContent.append(subject: session.subject, data: $0, to: &text) }
        return seal(text.view, session.head, place: key.place, salt: salt)
    }

    /// The salt for the next write: the session's own, unless it was used often enough or another key seals now.
    func nextSalt(_ session: LoadedSession) -> [UInt8]? {
        let isKept =
            session.keyID == sealer.primaryID && session.head.generation % EnvelopeSealer.writesPerSalt != 0
        return isKept ? session.salt : nil
    }

    /// Writes a session in the place of what was read.
    ///
    /// - Parameters:
    ///   - session: The session with its new content.
    ///   - key: Its name.
    ///   - keepsLife: Whether life and time of last use stay what they are in Valkey.
    ///   - deadline: When to stop waiting.
    /// - Returns: False where somebody else wrote meanwhile, or the session ended: nothing was written then.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func store(
        _ session: LoadedSession,
        _ key: SessionKey,
        keepsLife: Bool = false,
        _ deadline: Instant
    ) async throws(RPCError) -> Bool {
        let envelope = seal(session, key, salt: nextSalt(session))
        let reply = try await call(.write, deadline) { command in
            command.append(callOf: SessionScripts.replace, keys: 1, arguments: 3)
            command.append(word: keyspace.name(.session, key))
            command.append(word: session.nonce)
            command.append(word: envelope)
            if keepsLife { command.append(word: "") } else { command.append(word: session.head.idleExpiresAt) }
        }
        return reply.integer == 1
    }

    /// Waits a moment before what met another change is tried again; the moments grow, and no two callers' are the same.
    ///
    /// - Throws: ``RPCError`` `deadline_exceeded` where no time is left.
    func pause(afterAttempt attempt: Int, _ deadline: Instant) async throws(RPCError) {
        counts.retried += 1
        let limit = Double(1 << min(attempt, 6))
        await EventLoop.reactor.timers.sleep(for: .milliseconds(1) * Double.random(in: 0...limit) * 0.25)
        guard Instant.now < deadline else {
            throw RPCError(
                .deadlineExceeded,
                "others changed the session all the time until the deadline passed",
                outcome: .notApplied
            )
        }
    }

    /// The error of a call that needs a session and has none.
    static var notFound: RPCError {
        RPCError(.sessionNotFound, "there is no such session, or it has ended", outcome: .notApplied)
    }
}

extension RPCError {
    /// The same failure of a step before the one that has the effect of its call: whatever became of the step, the call
    /// changed nothing that was asked for, and may be made again as its kind has it.
    var beforeEffect: RPCError {
        var error = self
        if outcome == .unknown {
            let isAmbiguous = code == ErrorKind.ambiguous.code
            let kind = isAmbiguous ? .unavailable : ErrorKind.allCases.first { $0.code == code } ?? .internalError
            error = RPCError(
                kind,
                isAmbiguous ? "the link to Valkey broke before the call took effect" : message,
                retryAfterMilliseconds: retryAfterMilliseconds,
                details: details
            )
        }
        error.outcome = .notApplied
        return error
    }
}
