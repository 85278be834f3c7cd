import Cache
import Configuration
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

extension Cache {
    /// The cache that a configuration describes.
    convenience init(
        _ configuration: Configuration.Cache,
        keys: SessionKeys,
        link: Link,
        calls: CallTable,
        keyspace: Keyspace
    ) {
        self.init(
            link: link,
            calls: calls,
            keyspace: keyspace,
            namespaces: Namespaces(configuration),
            nearBytesMax: configuration.nearBytes,
            localBytesMax: configuration.localBytes
        )
        sweepKeysPerSecond = configuration.sweepKeysPerSecond
        setKeys(keys.secrets)
    }
}

extension Namespaces {
    /// The namespaces that a configuration describes.
    init(_ configuration: Configuration.Cache) {
        var named: [String: NamespaceSettings] = [:]
        for name in configuration.namespaces { named[name] = NamespaceSettings(configuration, namespace: name) }
        self.init(named, fallback: NamespaceSettings(configuration, namespace: nil))
    }
}

extension NamespaceSettings {
    /// What holds for entries in a namespace; nil for what holds for all that are not configured.
    fileprivate init(_ configuration: Configuration.Cache, namespace: String?) {
        let life = namespace.map { configuration[lifeIn: $0] } ?? configuration.life
        let tier = namespace.map { configuration[tierIn: $0] } ?? configuration.common.tier
        let degraded = namespace.map { configuration[degradedIn: $0] } ?? configuration.common.degraded
        self.init(defaultLifeMilliseconds: life?.wholeMilliseconds)
        self.tier = CacheTier(rawValue: tier) ?? .nearAndValkey
        missesWhileAway = degraded == "miss"
        compressBytes = namespace.map { configuration[compressBytesIn: $0] } ?? configuration.common.compressBytes
        isEncrypted = namespace.map { configuration[isEncryptedIn: $0] } ?? configuration.common.isEncrypted
        lifeMaxMilliseconds = namespace.flatMap { configuration.classes[$0]?.lifeMax?.wholeMilliseconds }
        jitterPercent = namespace.map { configuration[jitterIn: $0] } ?? configuration.common.jitterPercent
    }
}
