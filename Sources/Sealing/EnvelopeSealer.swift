public import Bytes
public import Crypto

/// Seals records under the primary key and opens those of every key that is held.
///
/// Its memory is used again for each record, so it belongs to one thread.
public final class EnvelopeSealer {
    /// Writes under one salt, after which a session gets another: far below the 2^32 at which random nonces of one key
    /// may meet (NIST SP 800-38D, section 8.3).
    public static let writesPerSalt: Int64 = 1 << 20

    /// The keys; when they are replaced, derived keys are forgotten.
    public var keys: KeyRing {
        didSet {
            subkeys.removeAll()
            primaryID = keys.primary.id
            commonSalt = []
        }
    }
    /// The primary key's name.
    public private(set) var primaryID: UInt64
    /// Digests places and tokens.
    public let hasher = SHA256()
    private var commonSalt: [UInt8] = []
    private var commonSaltWrites: Int64 = 0
    private let aead = AEAD()
    private let subkeys = SubkeyTable()

    /// Begins with these keys.
    public init(_ keys: KeyRing) {
        self.keys = keys
        primaryID = keys.primary.id
    }

    /// A salt for records that have none of their own: 16 random bytes, the same for many writes.
    ///
    /// - Returns: One that was given fewer than ``writesPerSalt`` times, and under these keys only.
    public func nextCommonSalt() -> [UInt8] {
        if commonSalt.isEmpty || commonSaltWrites >= EnvelopeSealer.writesPerSalt {
            commonSalt = RandomBytes.make(16)
            commonSaltWrites = 0
        }
        commonSaltWrites += 1
        return commonSalt
    }

    /// Appends an envelope.
    ///
    /// - Parameters:
    ///   - text: The plaintext.
    ///   - head: What the head says.
    ///   - place: Where the record will lie: see ``Place``.
    ///   - salt: 16 bytes of the session's own, or nil for new ones.
    ///   - output: Receives the envelope.
    public func seal(
        _ text: ByteView,
        _ head: EnvelopeHead,
        place: ByteView,
        salt: ByteView?,
        to output: inout ByteBuffer
    ) {
        let start = output.count
        let key = keys.primary
        output.append(Envelope.version)
        output.append(Envelope.algorithm)
        output.append(head.kind.rawValue)
        output.append(0)
        output.append(bigEndian: key.id)
        if let salt { output.append(salt) } else { RandomBytes.append(16, to: &output) }
        RandomBytes.append(AEAD.nonceBytes, to: &output)
        output.append(bigEndian: head.generation)
        output.append(bigEndian: head.createdAt)
        output.append(bigEndian: head.expiresAt)
        output.append(bigEndian: head.idle)
        output.append(head.index)
        hasher.digest(of: place).prefix(8).withByteCopy { output.append($0) }
        output.append(bigEndian: head.seenAt)
        // The head is read from a copy: the text is appended to the memory that holds it.
        output.view.dropFirst(start).copy().withByteView { written in
            aead.seal(
                text,
                key: subkey(written[Envelope.Layout.salt..<Envelope.Layout.nonce], key, head.kind),
                nonce: written[Envelope.Layout.nonce..<Envelope.Layout.generation],
                associated: (written.prefix(Envelope.authenticatedBytes), place),
                to: &output
            )
        }
    }

    /// Appends the plaintext of an envelope.
    ///
    /// - Parameters:
    ///   - envelope: The envelope.
    ///   - place: Where it was found.
    ///   - output: Receives the plaintext; left as it is where an error is thrown.
    /// - Throws: ``EnvelopeFault`` `unknownKey`, `misplaced` or `damaged`.
    /// - Complexity: No memory is allocated where the subkey is known.
    public func open(
        _ envelope: Envelope,
        place: ByteView,
        to output: inout ByteBuffer
    ) throws(EnvelopeFault) {
        let isGenuine = aead.open(
            envelope.sealed,
            key: try subkey(of: envelope),
            nonce: envelope.nonce,
            associated: (envelope.authenticated, place),
            to: &output
        )
        if isGenuine { return }
        let isHere = hasher.digest(of: place).prefix(8).withByteCopy { $0.equals(envelope.place) }
        throw isHere ? .damaged : .misplaced
    }

    /// The subkey that an envelope is sealed under; one that is kept is that of a key that is held.
    private func subkey(of envelope: Envelope) throws(EnvelopeFault) -> ByteView {
        if let subkey = subkeys.subkey(envelope.salt, envelope.keyID, envelope.kind) { return subkey }
        guard let key = keys.key(envelope.keyID) else { throw .unknownKey }
        return subkeys.derive(envelope.salt, key, envelope.kind)
    }

    private func subkey(_ salt: ByteView, _ key: MasterKey, _ kind: Envelope.Kind) -> ByteView {
        subkeys.subkey(salt, key.id, kind) ?? subkeys.derive(salt, key, kind)
    }
}

extension ArraySlice<UInt8> {
    fileprivate func withByteCopy<Result>(_ body: (ByteView) -> Result) -> Result {
        Array(self).withByteView(body)
    }
}
