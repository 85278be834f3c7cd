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

    /// Makes an empty table.
    ///
    /// - Parameter entriesMax: A power of two; 64 bytes each, taken at the first use.
    init(entriesMax: Int = 4096) {
        precondition(entriesMax > 0 && entriesMax & (entriesMax - 1) == 0, "a power of two")
        self.entriesMax = entriesMax
    }

    /// Forgets everything.
    func removeAll() {
        memory = nil
    }

    /// The subkey of a salt under a master key, lent until the next call.
    ///
    /// - Parameters:
    ///   - salt: 16 bytes.
    ///   - key: The master key.
    ///   - kind: What the subkey seals: other kinds have other subkeys.
    /// - Returns: 32 bytes.
    func subkey(_ salt: ByteView, _ key: MasterKey, _ kind: Envelope.Kind) -> ByteView {
        let memory = memory ?? SecretBytes(count: entriesMax * SubkeyTable.entryBytes)
        self.memory = memory
        let first = salt.word(at: 0)
        let second = salt.word(at: 8)
        let offset = Int(truncatingIfNeeded: first & UInt64(entriesMax - 1)) * SubkeyTable.entryBytes
        let entry = memory.view[offset..<(offset + SubkeyTable.entryBytes)]
        // Zero is no kind, so an entry that was never filled matches nothing.
        let isKnown =
            entry.word(at: 0) == first && entry.word(at: 8) == second && entry.word(at: 16) == key.id
            && entry.word(at: 24) == UInt64(kind.rawValue)
        if !isKnown { fill(memory, offset, salt, key, kind) }
        return entry[SubkeyTable.keyOffset..<SubkeyTable.entryBytes]
    }

    private func fill(_ memory: SecretBytes, _ offset: Int, _ salt: ByteView, _ key: MasterKey, _ kind: Envelope.Kind) {
        unsafe memory.withUnsafeMutableBytes { base, _ in
            let entry = unsafe base + offset
            unsafe salt.withUnsafeBytes { bytes, count in unsafe entry.update(from: bytes, count: count) }
            let numbers = UnsafeMutableRawPointer(entry)
            unsafe numbers.storeBytes(of: key.id, toByteOffset: 16, as: UInt64.self)
            unsafe numbers.storeBytes(of: UInt64(kind.rawValue), toByteOffset: 24, as: UInt64.self)
            unsafe KeyDerivation.hkdf(
                key: key.bytes,
                salt: salt,
                info: SubkeyTable.purpose(kind),
                into: entry + SubkeyTable.keyOffset,
                count: AEAD.keyBytes
            )
        }
    }

    /// What HKDF is told that a subkey is for.
    private static func purpose(_ kind: Envelope.Kind) -> ByteView {
        switch kind {
        case .session: ByteView("squire session 1")
        case .grace: ByteView("squire grace 1")
        case .outcome: ByteView("squire outcome 1")
        case .indexKey: ByteView("squire index key 1")
        }
    }
}
