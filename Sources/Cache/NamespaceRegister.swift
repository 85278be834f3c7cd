import Bytes
import JSON

/// Numbers for the namespaces that calls have named, and what was counted in each.
///
/// Whoever calls may name any namespace, so beyond some thousands all others share the last number. Places are kept for
/// those that are configured, however many were named before: what holds for them hangs on their numbers.
struct NamespaceRegister: ~Copyable {
    /// What was counted in one namespace since the start.
    struct Counts {
        /// Reads that found an entry, in the agent's memory or in Valkey.
        var hits: UInt64 = 0
        /// Of these, reads that the agent's memory answered.
        var nearHits: UInt64 = 0
        /// Reads that found an entry whose life is over, and got it.
        var staleHits: UInt64 = 0
        /// Reads that found none.
        var misses: UInt64 = 0
        /// Entries that are there and cannot be read: damaged, of a newer version, or under another key.
        var unreadable: UInt64 = 0
        /// Entries written.
        var sets: UInt64 = 0
        /// Entries removed by `cache.invalidate`.
        var invalidations: UInt64 = 0
    }

    /// Most numbers; they fit into 12 bits.
    static let numbersMax = 4096
    /// Places kept for namespaces that are configured, of which a configuration accepts fewer.
    static let configuredMax = 1024

    private var names: [[UInt8]] = [[]]
    private var index = NearIndex()
    private let hash = NearHash()
    /// What was counted, by number.
    var counts = [Counts()]

    init() {}

    /// The number of a namespace, which gets one where it has none; 0 is that of the one without a name.
    mutating func number(of namespace: JSONString?) -> UInt16 {
        guard let namespace else { return 0 }
        return number(named: namespace.raw)
    }

    /// The number of the namespace that is called so, which gets one where it has none.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - isConfigured: Whether it may have one of the places that are kept.
    /// - Returns: Its number, or the last one, which all share that have none of their own.
    mutating func number(named name: ByteView, isConfigured: Bool = false) -> UInt16 {
        let hash = UInt32(truncatingIfNeeded: hash(name))
        if let known = find(name, hash) { return known }
        let most = NamespaceRegister.numbersMax - 1 - (isConfigured ? 0 : NamespaceRegister.configuredMax)
        guard names.count < most else {
            while counts.count < NamespaceRegister.numbersMax { counts.append(Counts()) }
            if counts.count < NamespaceRegister.numbersMax { counts.append(Counts()) }
            return UInt16(NamespaceRegister.numbersMax - 1)
        }
        let number = names.count
        names.append(name.copy())
        if counts.count < names.count { counts.append(Counts()) }
        index.insert(hash, BlockReference(rawValue: UInt32(number)))
        return UInt16(number)
    }

    /// The name of a namespace; nil for the one without a name, and for all that share the last number.
    func name(of number: UInt16) -> [UInt8]? {
        number > 0 && Int(number) < names.count ? names[Int(number)] : nil
    }

    /// The number of a namespace that some call has named, or nil.
    func known(_ namespace: JSONString?) -> UInt16? {
        guard let namespace else { return 0 }
        return find(namespace.raw, UInt32(truncatingIfNeeded: hash(namespace.raw)))
    }

    private func find(_ name: ByteView, _ hash: UInt32) -> UInt16? {
        index.find(hash) { names[Int($0.rawValue)].withByteView { $0.equals(name) } }
            .map { UInt16($0.rawValue) }
    }
}
