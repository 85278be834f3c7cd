import Bytes
import Crypto
import Glibc

/// Subkeys that were derived already, in a bounded table of locked memory.
///
/// A salt is random, so its own bytes say where in the table its subkey lies: whatever lay there before is forgotten. An
/// entry holds key id, salt and subkey.
@safe
final class SubkeyTable {
    private static let entryBytes = 64
    private static let keyOffset = 32
    private let entriesMax: Int
    private var memory: SecretBytes?
    private var entries: UnsafeMutablePointer<UInt8>?

    /// Makes an empty table.
    ///
    /// - Parameter entriesMax: A power of two; 64 bytes each, taken at the first use.
    init(entriesMax: Int = 4096) {
        precondition(entriesMax > 0 && entriesMax & (entriesMax - 1) == 0, "a power of two")
        self.entriesMax = entriesMax
    }

    /// Forgets everything.
    func removeAll() {
        unsafe entries = nil
        memory = nil
    }

    /// A subkey that was derived before, lent until the next change of the table; nil where there is none.
    ///
    /// - Parameters:
    ///   - salt: 16 bytes.
    ///   - id: The master key's name.
    ///   - kind: What the subkey seals: other kinds have other subkeys.
    /// - Returns: 32 bytes.
    func subkey(_ salt: ByteView, _ id: UInt64, _ kind: Envelope.Kind) -> ByteView? {
        guard let entries = unsafe entries else { return nil }
        let entry = unsafe ByteView(base: entries + offset(of: salt), count: SubkeyTable.entryBytes)
        // Zero is no kind, so an entry that was never filled matches nothing.
        guard entry.word(at: 0) == salt.word(at: 0), entry.word(at: 8) == salt.word(at: 8), entry.word(at: 16) == id,
            entry.word(at: 24) == UInt64(kind.rawValue)
        else { return nil }
        return entry[SubkeyTable.keyOffset..<SubkeyTable.entryBytes]
    }

    /// Derives a subkey and keeps it.
    ///
    /// - Returns: 32 bytes, lent like those of ``subkey(_:_:_:)``.
    func derive(_ salt: ByteView, _ key: MasterKey, _ kind: Envelope.Kind) -> ByteView {
        let memory = memory ?? SecretBytes(count: entriesMax * SubkeyTable.entryBytes)
        self.memory = memory
        return unsafe memory.withUnsafeMutableBytes { base, _ in
            unsafe entries = unsafe base
            let entry = unsafe base + offset(of: salt)
            unsafe salt.withUnsafeBytes { bytes, count in unsafe entry.update(from: bytes, count: count) }
            let numbers = UnsafeMutableRawPointer(entry)
            unsafe numbers.storeBytes(of: key.id, toByteOffset: 16, as: UInt64.self)
            unsafe numbers.storeBytes(of: UInt64(kind.rawValue), toByteOffset: 24, as: UInt64.self)
            key.withByteView { key in
                unsafe KeyDerivation.hkdf(
                    key: key,
                    salt: salt,
                    info: SubkeyTable.purpose(kind),
                    into: entry + SubkeyTable.keyOffset,
                    count: AEAD.keyBytes
                )
            }
            return unsafe ByteView(base: entry + SubkeyTable.keyOffset, count: AEAD.keyBytes)
        }
    }

    private func offset(of salt: ByteView) -> Int {
        Int(truncatingIfNeeded: salt.word(at: 0) & UInt64(entriesMax - 1)) * SubkeyTable.entryBytes
    }

    /// What HKDF is told that a subkey is for.
    private static func purpose(_ kind: Envelope.Kind) -> ByteView {
        switch kind {
        case .session: ByteView("squire session 1")
        case .grace: ByteView("squire grace 1")
        case .outcome: ByteView("squire outcome 1")
        case .indexKey: ByteView("squire index key 1")
        case .entry: ByteView("squire entry 1")
        case .response: ByteView("squire response 1")
        }
    }
}
