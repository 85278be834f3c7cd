import Bytes
public import Contract
import Crypto
import EventLoop
import JSON
public import JSONRPC
import Linux
import Sealing
public import Store
import Valkey

extension Sessions {
    /// Sessions that reads may be sealing anew at once.
    private static let rewritesMax = 16
    /// Grace records that lead from an old token to its session at most: one for each rotation within the grace.
    static let hopsMax = 16

    /// Answers `session.get`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the token is longer than any key may be.
    public func get(_ parameters: SessionGetParameters, _ context: CallContext) throws(RPCError) {
        let token = try keyspace.resolve(parameters.token, parameter: "token")
        guard let tag = SessionToken.tag(of: token) else { return answerMissing(context.call) }
        let flags: PendingReads.Flags = parameters.touch ? .touch : []
        let slot = unsafe pending.take(
            tag: tag,
            namespace: parameters.namespace?.raw,
            flags: flags,
            deadline: context.deadline,
            lane: context.lane
        ) {
            unsafe sealer.hasher.digest(of: token, into: $0)
        }
        sendGet(slot, context.call)
    }

    private func sendGet(_ slot: UInt32, _ call: CallID) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.get.rawValue, detail: slot, call: call.rawValue),
            effect: .read,
            deadline: pending.deadline(slot)
        )
        link.send(request, lane: pending.lane(slot)) { command in
            command.append("*2\r\n$3\r\nGET\r\n")
            appendName(.session, slot, to: &command)
        }
    }

    /// Appends the name of the session in a slot, or of its copy, as a word of a command.
    private func appendName(_ family: KeyFamily, _ slot: UInt32, to command: inout ByteBuffer) {
        nameScratch.removeAll()
        nameScratch.append(UInt8(ascii: "{"))
        SessionToken.append(tag: pending.tag(slot), to: &nameScratch)
        nameScratch.append(UInt8(ascii: "}"))
        nameScratch.append(hexadecimal: pending.digest(slot))
        let namespace = pending.namespace(slot).map { JSONString(raw: $0, hasEscapes: false) }
        keyspace.append(to: &command, family, namespace, nameScratch.view)
    }

    func answerGet(_ call: CallID, _ reply: Reply, slot: UInt32) {
        defer { pending.release(slot) }
        if reply.kind == .tooLarge || reply.kind == .error && !reply.isError("WRONGTYPE") {
            return calls.fail(call, RPCError(refusal: reply, .read))
        }
        if reply.kind == .null || Envelope.isTombstone(reply.bytes) { return answerMissing(call) }
        do throws(EnvelopeFault) {
            guard reply.kind == .bulk else { throw .truncated }
            try answer(call, try Envelope(reply.bytes), slot)
        } catch {
            noteFault(error, slot)
            answerMissing(call)
        }
    }

    private func answer(_ call: CallID, _ envelope: Envelope, _ slot: UInt32) throws(EnvelopeFault) {
        let flags = pending.flags(slot)
        plaintext.removeAll(keepingCapacityUpTo: 64 << 10)
        switch envelope.kind {
        case .session: break
        case .grace: return try follow(call, envelope, slot)
        default: throw .misplaced
        }
        try sealer.open(envelope, place: pending.place(slot), to: &plaintext)
        guard let content = SessionContent(plaintext.view) else { throw .damaged }
        let time = link.serverTime
        guard time.latest < envelope.idleExpiresAt else { return answerMissing(call) }
        let isDue = flags.contains(.touch) && time.milliseconds - envelope.seenAt >= envelope.idle / 10
        let seenAt = isDue ? time.milliseconds : envelope.seenAt
        let idleExpiresAt = envelope.idleExpiresAt(ifSeenAt: seenAt)
        counts.found += 1
        calls.reply(call) { append(content, envelope, slot, idleExpiresAt: idleExpiresAt, to: &$0) }
        if isDue { sendTouch(slot, seenAt: seenAt, endsAt: idleExpiresAt) }
        if envelope.keyID != sealer.primaryID { rewriteLater(slot) }
    }

    private func append(
        _ content: SessionContent,
        _ envelope: Envelope,
        _ slot: UInt32,
        idleExpiresAt: Int64,
        to result: inout ByteBuffer
    ) {
        result.append("{\"found\":true,\"data\":")
        result.append(content.data)
        if let subject = content.subject {
            result.append(",\"subject\":")
            result.append(jsonString: subject)
        }
        result.append(",\"handle\":\"")
        SessionToken.append(tag: pending.tag(slot), to: &result)
        result.append(hexadecimal: pending.digest(slot))
        result.append("\",\"version\":")
        result.append(decimal: envelope.generation)
        result.append(",\"idle_expires_at_ms\":")
        result.append(decimal: idleExpiresAt)
        result.append(",\"expires_at_ms\":")
        result.append(decimal: envelope.expiresAt)
        result.append(UInt8(ascii: "}"))
    }

    private func answerMissing(_ call: CallID) {
        counts.missed += 1
        calls.reply(call) { $0.append("{\"found\":false}") }
    }

    /// Reads the session that an old token still leads to, or the next record on the way there.
    private func follow(_ call: CallID, _ envelope: Envelope, _ slot: UInt32) throws(EnvelopeFault) {
        let hops = pending.flags(slot).hops
        guard hops < Sessions.hopsMax else { return answerMissing(call) }
        try sealer.open(envelope, place: pending.place(slot), to: &plaintext)
        guard plaintext.count == SHA256.count else { throw .damaged }
        guard link.serverTime.latest < envelope.expiresAt else { return answerMissing(call) }
        var namespace = ByteBuffer()
        if let name = pending.namespace(slot) { namespace.append(name) }
        let hasNamespace = pending.namespace(slot) != nil
        let next = unsafe pending.take(
            tag: pending.tag(slot),
            namespace: hasNamespace ? namespace.view : nil,
            flags: .following(after: hops),
            deadline: pending.deadline(slot),
            lane: pending.lane(slot)
        ) { digest in
            unsafe plaintext.view.withUnsafeBytes { bytes, count in unsafe digest.update(from: bytes, count: count) }
        }
        sendGet(next, call)
    }

    /// Writes down that a session was used, behind the caller's reply.
    private func sendTouch(_ slot: UInt32, seenAt: Int64, endsAt: Int64) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.touch.rawValue),
            effect: .idempotentWrite,
            deadline: EventLoop.reactor.now.advanced(by: .seconds(5))
        )
        link.send(request, lane: -1) { command in
            command.append(callOf: SessionScripts.touch, keys: 1, arguments: 2)
            appendName(.session, slot, to: &command)
            var bytes = ByteBuffer()
            bytes.append(bigEndian: seenAt)
            command.append(word: bytes.view)
            command.append(word: endsAt)
        }
    }

    /// Seals a session anew that an old key sealed, behind the caller's reply.
    private func rewriteLater(_ slot: UInt32) {
        guard rewrites < Sessions.rewritesMax else { return }
        rewrites += 1
        let key = SessionKey(
            tag: pending.tag(slot),
            digest: pending.digest(slot).copy(),
            namespace: pending.namespace(slot)?.copy()
        )
        let deadline = EventLoop.reactor.now.advanced(by: .seconds(5))
        Task { @EventLoop in
            _ = try? await self.rewrite(key, deadline: deadline)
            self.rewrites -= 1
        }
    }

    private func noteFault(_ fault: EnvelopeFault, _ slot: UInt32) {
        guard note(fault) else { return }
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.aside.rawValue),
            effect: .idempotentWrite,
            deadline: EventLoop.reactor.now.advanced(by: .seconds(5))
        )
        link.send(request, lane: -1) { command in
            command.append(callOf: SessionScripts.aside, keys: 2, arguments: 1)
            appendName(.session, slot, to: &command)
            appendName(.sessionAside, slot, to: &command)
            command.append(word: Sessions.asideMilliseconds)
        }
    }
}
