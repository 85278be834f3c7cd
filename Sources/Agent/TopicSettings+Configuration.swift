import Configuration
import JSONRPC
import Observability
import Store
import Topics

extension TopicSettings {
    /// The bounds that a configuration sets.
    init(_ configuration: Configuration) {
        self.init(
            lengthMax: Int64(configuration.topics.lengthMax),
            messageBytesMax: configuration.limits.connection.replyBytesMax
        )
    }
}

extension Topics {
    /// Serves the methods as a configuration has it.
    convenience init(
        _ configuration: Configuration,
        _ stores: Stores,
        calls: CallTable,
        keyspace: Keyspace,
        log: Log
    ) {
        self.init(
            link: stores.stateLink,
            safety: stores.stateSafety,
            calls: calls,
            keyspace: keyspace,
            settings: TopicSettings(configuration),
            log: log
        )
    }
}
