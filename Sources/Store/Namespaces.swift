public import Bytes
public import Contract
public import JSON

/// Where the entries of a namespace are kept.
public enum CacheTier: String, CaseIterable, Sendable {
    /// In Valkey, and copies of those that are read in the agent's memory.
    case nearAndValkey = "near+valkey"
    /// In Valkey alone.
    case valkey
    /// In the agent's memory alone: data of one host.
    case near

    /// Whether copies of what is in Valkey are kept in the agent's memory.
    public var hasNear: Bool { self == .nearAndValkey }
}

/// How the entries of one namespace behave.
public struct NamespaceSettings: Equatable, Sendable {
    /// Life of an entry whose writer names none, in milliseconds; nil for no end.
    public var defaultLifeMilliseconds: Int64?
    /// Where the entries are kept.
    public var tier = CacheTier.nearAndValkey
    /// Whether a read while Valkey is away is a miss; else it is an error.
    public var missesWhileAway = true
    /// By how much lives may be shortened at random, in percent, so that what was written together does not end together.
    public var jitterPercent = 0
    /// Size in bytes from which values are compressed; 0 for never.
    public var compressBytes = 0
    /// Whether values are encrypted, and only those read that are.
    public var isEncrypted = false

    /// Longest life of an entry in milliseconds, by the class of the data; nil for no bound.
    ///
    /// Longer ones are shortened to it, and nothing is served stale.
    public var lifeMaxMilliseconds: Int64?

    /// Whether values are stored in another form than they are given in.
    public var isEncoded: Bool { isEncrypted || compressBytes > 0 }

    /// Settings with a default life.
    public init(defaultLifeMilliseconds: Int64?) {
        self.defaultLifeMilliseconds = defaultLifeMilliseconds
    }
}

/// The namespaces that the configuration names, and what holds for all others.
public struct Namespaces: Equatable, Sendable {
    private struct Named: Equatable {
        let name: [UInt8]
        let settings: NamespaceSettings
    }

    private let named: [Named]
    private let fallback: NamespaceSettings
    /// Whether copies of any entry are kept in the agent's memory.
    public let hasNear: Bool
    /// Whether the entries of any namespace lie in the agent's memory alone.
    public let hasLocal: Bool
    /// Whether the values of any namespace are stored in another form than they are given in.
    public let hasEncoded: Bool
    /// Whether the values of any namespace are encrypted.
    public let hasEncrypted: Bool
    /// Whether the life that a writer names is not the entry's in any namespace.
    public let hasBoundedLives: Bool
    private let hasJitter: Bool
    private let hasLifeMax: Bool

    /// Takes the configured namespaces.
    ///
    /// - Parameters:
    ///   - named: Settings by name.
    ///   - fallback: Settings of every other namespace, the one without a name included.
    public init(_ named: [String: NamespaceSettings], fallback: NamespaceSettings) {
        // In one order only, so that equal ones compare as equal.
        self.named = named.map { Named(name: Array($0.key.utf8), settings: $0.value) }.sorted { left, right in
            left.name.count == right.name.count
                ? left.name.lexicographicallyPrecedes(right.name) : left.name.count < right.name.count
        }
        self.fallback = fallback
        let all = [fallback] + Array(named.values)
        hasNear = all.contains { $0.tier.hasNear }
        hasLocal = all.contains { $0.tier == .near }
        hasEncoded = all.contains { $0.isEncoded }
        hasEncrypted = all.contains { $0.isEncrypted }
        hasLifeMax = all.contains { $0.lifeMaxMilliseconds != nil }
        hasJitter = all.contains { $0.jitterPercent > 0 }
        hasBoundedLives = hasLifeMax || hasJitter
    }

    /// The settings of a namespace; nil names the one without a name.
    public func settings(of namespace: JSONString?) -> NamespaceSettings {
        guard let namespace, !named.isEmpty else { return fallback }
        return settings(named: namespace.raw)
    }

    /// The settings of the namespace that is called so.
    public func settings(named raw: ByteView) -> NamespaceSettings {
        for index in named.indices where named[index].name.count == raw.count {
            if named[index].name.withByteView({ $0.equals(raw) }) { return named[index].settings }
        }
        return fallback
    }

    /// The namespaces that the configuration names.
    public var names: [[UInt8]] { named.map(\.name) }

    /// The names of which copies are kept in the agent's memory; nil where all others are kept too.
    public var nearNames: [[UInt8]]? {
        fallback.tier.hasNear ? nil : named.filter { $0.settings.tier.hasNear }.map(\.name)
    }

    /// The life of an entry in milliseconds, or nil for no end; shortened at random where the namespace says so.
    public func life(_ given: NullableInteger, in namespace: JSONString?) -> Int64? {
        let life = exactLife(given, in: namespace)
        guard hasJitter, let life else { return life }
        return Namespaces.shortened(life, settings(of: namespace))
    }

    /// The life of an entry in the namespace that is called so, as ``life(_:in:)`` tells it.
    public func life(_ given: NullableInteger, inNamed name: [UInt8]) -> Int64? {
        let settings = name.withByteView { self.settings(named: $0) }
        return Namespaces.exactLife(given, settings).map { Namespaces.shortened($0, settings) }
    }

    private static func shortened(_ life: Int64, _ settings: NamespaceSettings) -> Int64 {
        let percent = Int64(settings.jitterPercent)
        // In this order it neither overflows nor loses short lives.
        let most = life / 100 * percent + life % 100 * percent / 100
        return max(life - Int64.random(in: 0...most), 1)
    }

    /// The life of an entry as it was given, or is configured; no longer than the class of the data allows.
    public func exactLife(_ given: NullableInteger, in namespace: JSONString?) -> Int64? {
        if !hasLifeMax, case .value(let milliseconds) = given { return milliseconds }
        return Namespaces.exactLife(given, settings(of: namespace))
    }

    private static func exactLife(_ given: NullableInteger, _ settings: NamespaceSettings) -> Int64? {
        let life =
            switch given {
            case .absent: settings.defaultLifeMilliseconds
            case .null: nil as Int64?
            case .value(let milliseconds): milliseconds
            }
        guard let limit = settings.lifeMaxMilliseconds else { return life }
        return min(life ?? limit, limit)
    }

    /// How long an entry may be served after its life, in milliseconds; not at all where the class bounds lives.
    public func stale(_ given: Int64?, in namespace: JSONString?) -> Int64 {
        guard let given else { return 0 }
        return hasLifeMax && settings(of: namespace).lifeMaxMilliseconds != nil ? 0 : given
    }
}
