public import Bytes

/// A sealed record as it lies in Valkey: a head that can be read, and a ciphertext that only the right key opens.
///
/// The layout, byte by byte, is documented in `docs/reference/session-envelope.md`. All but the last field of the head
/// is authenticated together with the place where the record lies; the last one, when the session was seen, is written
/// anew without a key.
public struct Envelope {
    /// What a record is.
    public enum Kind: UInt8, Sendable {
        /// A session.
        case session = 1
        /// What an old token still leads to after a rotation.
        case grace = 2
        /// The remembered outcome of a request.
        case outcome = 3
        /// The key by which subjects are hashed, wrapped under a master key.
        case indexKey = 4
        /// The value of a cache entry.
        case entry = 5
        /// A stored response of a language model.
        case response = 6
    }

    /// Where the fields begin, and how long the head is.
    enum Layout {
        static let version = 0
        static let algorithm = 1
        static let kind = 2
        static let keyID = 4
        static let salt = 12
        static let nonce = 28
        static let generation = 40
        static let createdAt = 48
        static let expiresAt = 56
        static let idle = 64
        static let index = 72
        static let place = 88
        static let seenAt = 96
        static let text = 104
    }

    /// The one version that there is.
    public static let version: UInt8 = 1
    /// AES-256-GCM under a subkey by HKDF-SHA256.
    public static let algorithm: UInt8 = 1
    /// Length of the authenticated part of the head.
    public static let authenticatedBytes = Layout.seenAt
    /// Length of the head.
    public static let headBytes = Layout.text
    /// Length of the shortest envelope: a head, no text, a tag of 16 bytes.
    public static let bytesMin = Layout.text + 16
    /// What is left of a session that ended.
    public static let tombstone: [UInt8] = [0]

    private let head: ByteView
    /// Ciphertext and tag; of no bytes where only the head was read.
    public let sealed: ByteView

    /// Reads an envelope's head.
    ///
    /// - Parameters:
    ///   - bytes: The record as stored, lent while the envelope is used.
    ///   - isHeadOnly: Whether `bytes` are the first ``headBytes`` alone.
    /// - Throws: ``EnvelopeFault`` `truncated`, `newerVersion` or, where the head is none, `damaged`.
    public init(_ bytes: ByteView, isHeadOnly: Bool = false) throws(EnvelopeFault) {
        guard bytes.count >= (isHeadOnly ? Envelope.headBytes : Envelope.bytesMin) else { throw .truncated }
        guard bytes[Layout.version] == Envelope.version, bytes[Layout.algorithm] == Envelope.algorithm else {
            throw bytes[Layout.version] == 0 || bytes[Layout.algorithm] == 0 ? .damaged : .newerVersion
        }
        guard Kind(rawValue: bytes[Layout.kind]) != nil, bytes[Layout.kind + 1] == 0 else { throw .damaged }
        head = bytes.prefix(Layout.text)
        sealed = bytes.dropFirst(Layout.text)
    }

    /// Whether the record says that a session ended here.
    public static func isTombstone(_ bytes: ByteView) -> Bool {
        bytes.count == 1 && bytes[0] == 0
    }

    /// What the record is.
    public var kind: Kind { Kind(rawValue: head[Layout.kind]) ?? .session }
    /// Names the master key that it is sealed under.
    public var keyID: UInt64 { UInt64(bitPattern: number(Layout.keyID)) }
    /// 16 random bytes of which, with the master key, the subkey is made.
    public var salt: ByteView { head[Layout.salt..<Layout.nonce] }
    /// 12 random bytes, others at every write: they tell two writes of one session apart.
    public var nonce: ByteView { head[Layout.nonce..<Layout.generation] }
    /// Counts the changes of a session's content, from 1.
    public var generation: Int64 { number(Layout.generation) }
    /// When the session began, Unix time in milliseconds.
    public var createdAt: Int64 { number(Layout.createdAt) }
    /// When the session ends at the latest, Unix time in milliseconds.
    public var expiresAt: Int64 { number(Layout.expiresAt) }
    /// Longest time without use, in milliseconds.
    public var idle: Int64 { number(Layout.idle) }
    /// Names the subject's index: 16 bytes of a keyed hash, zeros where the session has no subject.
    public var index: ByteView { head[Layout.index..<Layout.place] }
    /// First 8 bytes of the digest of the place that it was sealed for.
    public var place: ByteView { head[Layout.place..<Layout.seenAt] }
    /// When the session was used, Unix time in milliseconds.
    ///
    /// It is not authenticated, so that anything may stand there: what lies outside of the session's life is moved to its
    /// border.
    public var seenAt: Int64 { max(min(number(Layout.seenAt), expiresAt), createdAt) }
    /// What is authenticated of the head.
    public var authenticated: ByteView { head.prefix(Envelope.authenticatedBytes) }

    /// When the session ends unless it is used.
    public var idleExpiresAt: Int64 { idleExpiresAt(ifSeenAt: seenAt) }

    /// When the session ends unless it is used after `instant`.
    public func idleExpiresAt(ifSeenAt instant: Int64) -> Int64 {
        let (sum, overflow) = instant.addingReportingOverflow(idle)
        return overflow ? expiresAt : min(sum, expiresAt)
    }

    private func number(_ offset: Int) -> Int64 {
        Int64(bitPattern: UInt64(bigEndian: head.word(at: offset)))
    }
}

/// What an envelope's head says, for writing one.
public struct EnvelopeHead: Sendable {
    /// What the record is.
    public var kind: Envelope.Kind
    /// Counts the changes of a session's content, from 1.
    public var generation: Int64 = 0
    /// When the session began, Unix time in milliseconds.
    public var createdAt: Int64 = 0
    /// When the session ends at the latest, Unix time in milliseconds.
    public var expiresAt: Int64 = 0
    /// Longest time without use, in milliseconds.
    public var idle: Int64 = 0
    /// Names the subject's index: 16 bytes, zeros where there is no subject.
    public var index = [UInt8](repeating: 0, count: 16)
    /// When the session was used, Unix time in milliseconds.
    public var seenAt: Int64 = 0

    /// The head of a record of this kind, all else zero.
    public init(_ kind: Envelope.Kind) {
        self.kind = kind
    }

    /// The head of an envelope that was read.
    public init(_ envelope: Envelope) {
        kind = envelope.kind
        generation = envelope.generation
        createdAt = envelope.createdAt
        expiresAt = envelope.expiresAt
        idle = envelope.idle
        index = envelope.index.copy()
        seenAt = envelope.seenAt
    }

    /// When the session ends unless it is used.
    public var idleExpiresAt: Int64 {
        let (sum, overflow) = seenAt.addingReportingOverflow(idle)
        return overflow ? expiresAt : min(sum, expiresAt)
    }

    /// Whether the session belongs to a subject.
    public var hasSubject: Bool { index.contains { $0 != 0 } }

    /// Whether the session's life is over at `time`, the latest that Valkey's clock may show.
    public func isOver(at time: Int64) -> Bool {
        time >= idleExpiresAt
    }
}

extension ByteBuffer {
    /// Appends a number of eight bytes, the most significant first.
    public mutating func append(bigEndian number: UInt64) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) { append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    /// Appends a number of eight bytes, the most significant first.
    public mutating func append(bigEndian number: Int64) {
        append(bigEndian: UInt64(bitPattern: number))
    }
}
