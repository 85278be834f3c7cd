import Configuration
import Linux
import Store

extension Namespaces {
    /// The namespaces that a configuration describes.
    init(_ configuration: Configuration.Cache) {
        var named: [String: NamespaceSettings] = [:]
        for name in configuration.namespaces {
            named[name] = NamespaceSettings(
                defaultLifeMilliseconds: (configuration.namespaceLives[name] ?? configuration.life)?.wholeMilliseconds,
                tier: CacheTier(rawValue: configuration.namespaceTiers[name] ?? configuration.tier) ?? .nearAndValkey
            )
        }
        self.init(
            named,
            fallback: NamespaceSettings(
                defaultLifeMilliseconds: configuration.life?.wholeMilliseconds,
                tier: CacheTier(rawValue: configuration.tier) ?? .nearAndValkey
            )
        )
    }
}
