import Bytes
import Contract
import Crypto
import EventLoop
import JSONRPC
import Linux
import Observability
import Sealing
import Store
import Valkey

/// What is known of the key by which subjects are hashed, so that nobody who reads Valkey learns who is logged in.
///
/// It is random, the same for all agents of a store, and lies in Valkey wrapped under each master key: so it outlives
/// each of them.
struct SubjectKey {
    /// Age from which Valkey is asked again: it may have been emptied, and another agent may have made a new key.
    private static let checkNanoseconds: Int64 = 5_000_000_000

    /// The key, once it is known.
    fileprivate(set) var secret: SecretBytes?
    /// Whether Valkey's is wrapped under keys that this agent does not hold.
    fileprivate(set) var isForeign = false
    /// What the store evicts, where it may evict; nil where it may not, or that is not known.
    fileprivate(set) var evictionPolicy: String?
    fileprivate var checked: Instant?

    /// Has the next use ask Valkey.
    mutating func forgetCheck() {
        checked = nil
    }

    /// Whether the key may be used without asking Valkey.
    fileprivate var isFresh: Bool {
        guard secret != nil, let checked else { return false }
        return Instant.now.nanoseconds(since: checked) < SubjectKey.checkNanoseconds
    }
}

extension Sessions {
    /// Where the wrapped key lies: a hash from the master keys' names to envelopes.
    private var subjectKeyName: [UInt8] { keyspace.prefix + Array("session-keys".utf8) }

    /// What its envelopes are bound to.
    private var subjectKeyPlace: [UInt8] {
        ByteView("squire index key").hashed(sealer.hasher) + [0]
    }

    /// The key by which subjects are hashed; made where the store has none.
    ///
    /// - Throws: ``RPCError`` `internal_error` where no master key of this agent opens it, and of the link or of Valkey: what
    ///   was asked for was not begun.
    func resolveSubjectKey(_ deadline: Instant) async throws(RPCError) -> SecretBytes {
        if subjectKey.isFresh, let secret = subjectKey.secret { return secret }
        return try await preparing { () async throws(RPCError) in try await askForSubjectKey(deadline) }
    }

    private func askForSubjectKey(_ deadline: Instant) async throws(RPCError) -> SecretBytes {
        await checkEviction(deadline)
        while true {
            let wraps = try await subjectKeyWraps(deadline)
            if wraps.isEmpty {
                try await storeSubjectKey(subjectKey.secret ?? RandomBytes.secret(MasterKey.byteCount), deadline)
                continue
            }
            guard let secret = unwrap(wraps) else {
                subjectKey.isForeign = true
                _ = note(.unknownKey)
                throw RPCError(
                    .internalError,
                    "the store's sessions belong to keys that this agent does not hold: check sessions.key_files",
                    outcome: .notApplied
                )
            }
            subjectKey.isForeign = false
            subjectKey.secret = secret
            subjectKey.checked = .now
            try await completeWraps(wraps, secret, deadline)
            return secret
        }
    }

    /// The names of master keys and the envelopes that the key is wrapped in, one after the other.
    private func subjectKeyWraps(_ deadline: Instant) async throws(RPCError) -> [[UInt8]] {
        let reply = try await call(.read, deadline) { command in
            command.append(commandOf: 2)
            command.append(word: "HGETALL")
            command.append(word: subjectKeyName)
        }
        return (reply.elements ?? []).compactMap(\.bytes)
    }

    /// Takes the key out of the wraps of master keys that this agent does not hold, so that they open nothing any more.
    ///
    /// An agent that has another key beside one of this agent's wraps it anew when it asks next.
    ///
    /// - Parameter deadline: When to stop waiting.
    /// - Returns: How many there were.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func dropForeignWraps(_ deadline: Instant) async throws(RPCError) -> Int {
        let held = sealer.keys.keys.map { Array(MasterKey.text($0.id).utf8) }
        let wraps = try await subjectKeyWraps(deadline)
        let foreign = stride(from: 0, to: wraps.count, by: 2).map { wraps[$0] }.filter { !held.contains($0) }
        guard !foreign.isEmpty else { return 0 }
        _ = try await call(.idempotentWrite, deadline) { command in
            command.append(commandOf: 2 + foreign.count)
            command.append(word: "HDEL")
            command.append(word: subjectKeyName)
            for name in foreign { command.append(word: name) }
        }
        return foreign.count
    }

    /// The key in one of the envelopes that stand behind the names of their master keys.
    private func unwrap(_ wraps: [[UInt8]]) -> SecretBytes? {
        let place = subjectKeyPlace
        for wrap in wraps {
            var text = ByteBuffer()
            text.reserve(wrap.count)
            defer { text.wipe() }
            let isOpen = wrap.withByteView { bytes in
                place.withByteView { place in
                    guard let envelope = try? Envelope(bytes), envelope.kind == .indexKey else { return false }
                    return (try? sealer.open(envelope, place: place, to: &text)) != nil
                }
            }
            guard isOpen, text.count == MasterKey.byteCount else { continue }
            return SecretBytes(copying: text.view)
        }
        return nil
    }

    private func storeSubjectKey(_ secret: SecretBytes, _ deadline: Instant) async throws(RPCError) {
        var words: [[UInt8]] = []
        for key in sealer.keys.keys { words += [Array(MasterKey.text(key.id).utf8), wrap(secret, under: key)] }
        _ = try await call(.idempotentWrite, deadline) { command in
            command.append(callOf: SessionScripts.indexKey, keys: 1, arguments: words.count)
            command.append(word: subjectKeyName)
            for word in words { command.append(word: word) }
        }
    }

    /// Wraps the key under those master keys too under which it is not wrapped yet.
    private func completeWraps(_ wraps: [[UInt8]], _ secret: SecretBytes, _ deadline: Instant) async throws(RPCError) {
        for key in sealer.keys.keys {
            let name = Array(MasterKey.text(key.id).utf8)
            guard !wraps.contains(name) else { continue }
            let wrapped = wrap(secret, under: key)
            _ = try await call(.idempotentWrite, deadline) { command in
                command.append(commandOf: 4)
                command.append(word: "HSET")
                command.append(word: subjectKeyName)
                command.append(word: name)
                command.append(word: wrapped)
            }
        }
    }

    private func wrap(_ secret: SecretBytes, under key: MasterKey) -> [UInt8] {
        let sealer = EnvelopeSealer(KeyRing([key]))
        var output = ByteBuffer()
        subjectKeyPlace.withByteView { place in
            secret.withByteView { sealer.seal($0, EnvelopeHead(.indexKey), place: place, salt: nil, to: &output) }
        }
        return output.view.copy()
    }

    /// Finds out whether the store may evict sessions; a server that does not say is taken for one that does not.
    private func checkEviction(_ deadline: Instant) async {
        let reply = try? await call(.read, deadline) { $0.append(command: "INFO", "memory") }
        let line = reply?.text?.split(whereSeparator: \.isNewline).first { $0.hasPrefix("maxmemory_policy:") }
        let policy = line?.split(separator: ":").last.map(String.init)
        let before = subjectKey.evictionPolicy
        subjectKey.evictionPolicy = policy == "noeviction" ? nil : policy
        if let policy = subjectKey.evictionPolicy, policy != before {
            log.warning("the state store may evict sessions", ["maxmemory_policy": policy])
        }
    }

    /// Where the sessions of a subject lie: the slot tag, and the 16 bytes that name its index.
    func place(
        ofSubject subject: [UInt8],
        _ namespace: [UInt8]?,
        _ secret: SecretBytes
    ) -> (tag: UInt16, index: [UInt8]) {
        let name = [UInt8(namespace?.count ?? 0)] + (namespace ?? []) + subject
        let hash = secret.hmac(Array("subject".utf8) + name)
        return (Sessions.tag(hash), Array(hash[2..<18]))
    }

    /// 14 bits of a hash.
    static func tag(_ hash: [UInt8]) -> UInt16 {
        (UInt16(hash[0]) << 8 | UInt16(hash[1])) & (SessionToken.tags - 1)
    }
}

extension SecretBytes {
    /// HMAC-SHA256 of `bytes` under this key.
    func hmac(_ bytes: [UInt8]) -> [UInt8] {
        withByteView { key in bytes.withByteView { KeyDerivation.hmac(key: key, $0) } }
    }
}

extension ByteView {
    /// The SHA-256 of the bytes.
    func hashed(_ hasher: SHA256) -> [UInt8] { hasher.digest(of: self) }
}
