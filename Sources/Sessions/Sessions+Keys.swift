import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Observability
import Sealing
public import Store
import Valkey

extension Sessions {
    /// Names of keys that a step of a walk through the store asks for.
    private static let pageKeys: Int64 = 250

    /// Answers `session.rekey`: walks through the store and seals anew what another key than the primary one sealed.
    ///
    /// Each step is a `SCAN` and the heads of what it found, so other clients are served between them.
    public func rekey(_ context: CallContext) {
        Task { @EventLoop in
            var rewritten: Int64 = 0
            var left: Int64 = 0
            var dropped = 0
            do throws(RPCError) {
                // The key for subjects is wrapped under every key that this agent holds, the new one included.
                self.subjectKey.forgetCheck()
                _ = try await self.resolveSubjectKey(context.deadline)
                try await self.walk(context) { (name, head) async throws(RPCError) in
                    guard head.keyID != self.sealer.primaryID else { return }
                    switch try await self.rewrite(name, head, context.deadline) {
                    case true?: rewritten += 1
                    case false?: left += 1
                    case nil: break
                    }
                }
                // Sessions under a key that this agent does not hold are left, and so is what else that key is needed for.
                if left == 0 { dropped = try await self.dropForeignWraps(context.deadline) }
            } catch {
                var failure = error
                failure.details.append(("done", String(rewritten)))
                // Some of it was done: the next call goes on.
                failure.isRetryable = true
                return self.calls.fail(context.call, failure)
            }
            self.log.notice(
                "sessions were sealed anew",
                [
                    "rewritten": String(rewritten), "left": String(left), "keys_given_up": String(dropped),
                    "uid": String(context.userID),
                ]
            )
            self.calls.reply(context.call) { result in
                result.append("{\"rewritten\":")
                result.append(decimal: rewritten)
                result.append(",\"left\":")
                result.append(decimal: left)
                result.append(UInt8(ascii: "}"))
            }
        }
    }

    /// Answers `session.keys`: counts sessions by the key that seals them.
    public func keys(_ context: CallContext) {
        calls.answer(context.call) { () async throws(RPCError) in
            var sessions: [UInt64: Int64] = [:]
            try await self.walk(context) { (_, head) async throws(RPCError) in
                if head.kind == .session { sessions[head.keyID, default: 0] += 1 }
            }
            let held = self.sealer.keys.keys.map(\.id)
            let others = sessions.keys.filter { !held.contains($0) }.sorted()
            var result = ByteBuffer()
            result.append("{\"keys\":[")
            for (position, id) in (held + others).enumerated() {
                if position > 0 { result.append(UInt8(ascii: ",")) }
                result.append("{\"id\":\"")
                result.append(text: MasterKey.text(id))
                result.append(position == 0 ? "\",\"primary\":true" : "\",\"primary\":false")
                result.append(position < held.count ? ",\"held\":true" : ",\"held\":false")
                result.append(",\"sessions\":")
                result.append(decimal: sessions[id] ?? 0)
                result.append(UInt8(ascii: "}"))
            }
            result.append("]}")
            return result.view.copy()
        }
    }

    /// What a walk needs of a record's head.
    private struct Found: Sendable {
        let kind: Envelope.Kind
        let keyID: UInt64
    }

    /// Walks through all records of sessions, in every namespace; a record may be met twice while the store grows.
    private func walk(
        _ context: CallContext,
        _ visit: (SessionName, Found) async throws(RPCError) -> Void
    ) async throws(RPCError) {
        let glob = keyspace.glob(.session)
        var cursor = Array("0".utf8)
        repeat {
            let (next, names) = try await page(from: cursor, glob, context.deadline)
            cursor = next
            for (name, found) in try await heads(of: names, context.deadline) { try await visit(name, found) }
        } while cursor != Array("0".utf8)
    }

    private func page(
        from cursor: [UInt8],
        _ glob: [UInt8],
        _ deadline: Instant
    ) async throws(RPCError) -> (cursor: [UInt8], names: [[UInt8]]) {
        let reply = try await call(.read, deadline) { command in
            command.append(commandOf: 6)
            command.append(word: "SCAN")
            command.append(word: cursor)
            command.append(word: "MATCH")
            command.append(word: glob)
            command.append(word: "COUNT")
            command.append(word: Sessions.pageKeys)
        }
        guard let elements = reply.elements, elements.count == 2, let next = elements[0].bytes,
            let names = elements[1].elements
        else { throw RPCError(.internalError, "Valkey answered SCAN with something else than a page") }
        return (next, names.compactMap(\.bytes))
    }

    /// The heads of those records that have one, asked for all at once.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey: a walk that passes records over says nothing of them.
    private func heads(
        of names: [[UInt8]],
        _ deadline: Instant
    ) async throws(RPCError) -> [(name: SessionName, found: Found)] {
        let asked = names.compactMap { name in SessionName(name, keyspace).map { (name, $0) } }
        let tasks = asked.map { name, parsed in
            Task { @EventLoop () -> Result<(SessionName, Found)?, RPCError> in
                do throws(RPCError) {
                    let found = try self.told(try await self.head(ofRecord: name, deadline))?.withByteView { view in
                        (try? Envelope(view, isHeadOnly: true)).map { Found(kind: $0.kind, keyID: $0.keyID) }
                    }
                    return .success(found.flatMap { $0 }.map { (parsed, $0) })
                } catch {
                    return .failure(error)
                }
            }
        }
        var heads: [(name: SessionName, found: Found)] = []
        var failure: RPCError?
        for task in tasks {
            switch await task.value {
            case .success(let head): if let head { heads.append(head) }
            case .failure(let error): failure = error
            }
        }
        if let failure { throw failure }
        return heads
    }

    private func head(ofRecord name: [UInt8], _ deadline: Instant) async throws(RPCError) -> ReplyValue {
        do throws(LinkFailure) {
            return try await link.call(.read, deadline: deadline, lane: -1) { append(headOf: name, to: &$0) }
        } catch {
            throw RPCError(error)
        }
    }

    /// Seals a record anew.
    ///
    /// - Returns: Whether it is under the primary key now; nil where it ended meanwhile, or ends by itself.
    private func rewrite(_ name: SessionName, _ found: Found, _ deadline: Instant) async throws(RPCError) -> Bool? {
        // A grace record lasts an hour at most; what it leads to is a session of the walk.
        guard found.kind == .session else { return nil }
        if try await rewrite(name.key, deadline: deadline) { return true }
        let rest = try await heads(of: [keyspace.name(.session, name.key)], deadline)
        return rest.contains { $0.found.kind == .session && $0.found.keyID != sealer.primaryID } ? false : nil
    }
}
