import Bytes
public import Contract
import JSON
public import JSONRPC
import Linux
import Sealing
public import Store
import Valkey

/// A change of what a session holds.
private struct SessionChange: Sendable {
    /// An object of members to replace or add, as text.
    var set: [UInt8]?
    /// Names of members to take out.
    var remove: [[UInt8]]
    /// An object to hold instead of everything, as text.
    var replace: [UInt8]?
    /// The version that the change is meant for.
    var version: Int64?
}

extension Sessions {
    /// Answers `session.update`: two round trips where nobody else writes.
    ///
    /// - Throws: ``RPCError`` where a parameter is not usable.
    public func update(_ parameters: SessionUpdateParameters, _ context: CallContext) throws(RPCError) {
        guard let key = try key(ofToken: parameters.token, parameters.namespace) else { throw Sessions.notFound }
        let change = SessionChange(
            set: parameters.set == nil ? nil : try oneLine(parameters.set, parameter: "set"),
            remove: parameters.remove?.map { MemberMerge.meaning(of: $0) } ?? [],
            replace: parameters.replace == nil ? nil : try oneLine(parameters.replace, parameter: "replace"),
            version: parameters.ifVersion
        )
        calls.answer(context.call) { () async throws(RPCError) in
            let name = self.keyspace.name(.session, key)
            try await self.turns.enter(name, until: context.deadline)
            defer { self.turns.leave(name) }
            return try await self.update(key, change, context.deadline)
        }
    }

    /// Reads, changes, and writes where nobody else did meanwhile; else all of it again.
    private func update(
        _ key: SessionKey,
        _ change: SessionChange,
        _ deadline: Instant
    ) async throws(RPCError) -> [UInt8] {
        var attempt = 0
        while true {
            guard var session = try await load(key, deadline) else { throw Sessions.notFound }
            if let version = change.version, version != session.head.generation {
                throw RPCError(
                    .conflict,
                    "the session is of another version than the change is meant for",
                    outcome: .notApplied,
                    details: [("version", String(session.head.generation))]
                )
            }
            try apply(change, to: &session)
            if try await store(session, key, deadline) {
                counts.updated += 1
                return Array("{\"version\":\(session.head.generation)}".utf8)
            }
            attempt += 1
            try await pause(afterAttempt: attempt, deadline)
        }
    }

    private func apply(_ change: SessionChange, to session: inout LoadedSession) throws(RPCError) {
        if let replace = change.replace {
            session.data = replace
        } else {
            session.data = try merged(change, into: session.data)
        }
        guard session.data.count <= settings.dataBytesMax else {
            throw .tooLarge("what the session would hold", limitBytes: settings.dataBytesMax)
        }
        session.head.generation += 1
        session.head.seenAt = link.serverTime.milliseconds
    }

    private func merged(_ change: SessionChange, into data: [UInt8]) throws(RPCError) -> [UInt8] {
        var output = ByteBuffer()
        let isDone = data.withByteView { data in
            guard let object = try? JSONScanner.scan(data, depthMax: .max) else { return false }
            guard let set = change.set else {
                MemberMerge.append(object, set: nil, remove: change.remove, to: &output)
                return true
            }
            return set.withByteView { set in
                guard let members = try? JSONScanner.scan(set, depthMax: .max) else { return false }
                MemberMerge.append(object, set: members, remove: change.remove, to: &output)
                return true
            }
        }
        // What was sealed had been scanned, and the change too.
        guard isDone else { throw RPCError(.internalError, "what the session holds is no JSON", outcome: .notApplied) }
        return output.view.copy()
    }

    /// Answers `session.touch`: two round trips.
    ///
    /// - Throws: ``RPCError`` where the token is not usable.
    public func touch(_ parameters: SessionTouchParameters, _ context: CallContext) throws(RPCError) {
        guard let key = try key(ofToken: parameters.token, parameters.namespace) else { throw Sessions.notFound }
        calls.answer(context.call) { () async throws(RPCError) in try await self.touch(key, context.deadline) }
    }

    private func touch(_ key: SessionKey, _ deadline: Instant) async throws(RPCError) -> [UInt8] {
        guard var session = try await load(key, deadline) else { throw Sessions.notFound }
        session.head.seenAt = link.serverTime.milliseconds
        let head = session.head
        let reply = try await call(.idempotentWrite, deadline) { command in
            command.append(callOf: SessionScripts.touch, keys: 1, arguments: 2)
            command.append(word: keyspace.name(.session, key))
            var bytes = ByteBuffer()
            bytes.append(bigEndian: head.seenAt)
            command.append(word: bytes.view)
            command.append(word: head.idleExpiresAt)
        }
        guard reply.integer == 1 else { throw Sessions.notFound }
        counts.touched += 1
        return Array("{\"idle_expires_at_ms\":\(head.idleExpiresAt)}".utf8)
    }

    /// Seals a session anew under the primary key, with everything else as it is.
    ///
    /// - Returns: Whether it is under the primary key now.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func rewrite(_ key: SessionKey, deadline: Instant) async throws(RPCError) -> Bool {
        let name = keyspace.name(.session, key)
        try await turns.enter(name, until: deadline)
        defer { turns.leave(name) }
        for _ in 0..<8 {
            guard let session = try await load(key, deadline) else { return false }
            if session.keyID == sealer.primaryID { return true }
            if try await store(session, key, keepsLife: true, deadline) {
                counts.rewritten += 1
                return true
            }
        }
        return false
    }
}
