import Bytes
public import Crypto

/// A key under which sessions are sealed, with its name.
public struct MasterKey {
    /// Length of a key in bytes.
    public static let byteCount = 32

    private let secret: SecretBytes
    /// The key's name, derived from it: a key that is not the one that sealed something is recognised as such.
    public let id: UInt64

    /// Takes over a key of ``byteCount`` bytes.
    public init(_ secret: SecretBytes) {
        precondition(secret.count == MasterKey.byteCount, "a master key of another length")
        self.secret = secret
        let name = secret.withByteView {
            KeyDerivation.hkdf(key: $0, salt: .empty, info: ByteView("squire key id 1"), count: 8)
        }
        id = name.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Lends the key to `body`.
    func withByteView<Result>(_ body: (ByteView) -> Result) -> Result {
        secret.withByteView(body)
    }

    /// A key's name as people see it: 16 hexadecimal digits.
    public static func text(_ id: UInt64) -> String { Hexadecimal.text(of: id) }
}

/// The keys that an agent holds: one seals what is written, all of them open what was written before.
public struct KeyRing {
    /// Every key, the primary one first, each once.
    public let keys: [MasterKey]

    /// Takes at least one key, the primary one first.
    public init(_ keys: [MasterKey]) {
        precondition(!keys.isEmpty, "a key ring has a key")
        var known: [MasterKey] = []
        for key in keys where !known.contains(where: { $0.id == key.id }) { known.append(key) }
        self.keys = known
    }

    /// The key under which is sealed what is written.
    public var primary: MasterKey { keys[0] }

    /// The key of that name, or nil.
    public func key(_ id: UInt64) -> MasterKey? {
        for key in keys where key.id == id { return key }
        return nil
    }
}
