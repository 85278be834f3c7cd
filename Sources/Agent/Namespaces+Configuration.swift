import Configuration
import Linux
import Store

extension Namespaces {
    /// The namespaces that a configuration describes.
    init(_ configuration: Configuration.Cache) {
        self.init(
            configuration.namespaceLives.mapValues {
                NamespaceSettings(defaultLifeMilliseconds: $0?.wholeMilliseconds)
            },
            fallback: NamespaceSettings(defaultLifeMilliseconds: configuration.life?.wholeMilliseconds)
        )
    }
}
