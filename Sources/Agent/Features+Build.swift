import Cache
import Channels
import Configuration
import Contract
import EventLoop
import JSONRPC
import Leaders
import Leases
import Locks
import Observability
import Responses
import Sessions
import Store
import Topics
import Valkey

extension Features {
    /// Makes every feature.
    ///
    /// - Parameters:
    ///   - configuration: What holds.
    ///   - stores: Where they keep what they keep.
    ///   - calls: The calls that they answer.
    ///   - keys: The keys of sessions.
    ///   - log: Where records go.
    init(_ configuration: Configuration, _ stores: Stores, calls: CallTable, keys: SessionKeys, log: Log) {
        let keyspace = Keyspace(
            prefix: Array(configuration.valkey.prefix.utf8),
            keyBytesMax: configuration.limits.keyBytesMax
        )
        auth = Authorization(calls: calls)
        valkey = ValkeyMethods(calls: calls, stores: stores)
        rpc = Discovery(calls: calls)
        cache = Cache(configuration.cache, keys: keys, link: stores.cacheLink, calls: calls, keyspace: keyspace)
        hash = Hashes(cache)
        session = Sessions(
            secrets: keys.secrets,
            isDevelopmentKey: keys.isDevelopment,
            link: stores.stateLink,
            calls: calls,
            keyspace: keyspace,
            settings: SessionSettings(configuration.sessions, classes: configuration.cache.classes),
            log: log
        )
        channel = Channels(
            link: stores.cacheLink,
            calls: calls,
            keyspace: keyspace,
            settings: ChannelSettings(configuration.channels)
        )
        topic = Topics(configuration, stores, calls: calls, keyspace: keyspace, log: log)
        leases = Leases(
            link: stores.stateLink,
            safety: stores.stateSafety,
            calls: calls,
            keyspace: keyspace,
            log: log
        )
        let acquisitions = Acquisitions(leases)
        lock = Locks(acquisitions)
        semaphore = Semaphores(acquisitions)
        leader = Leaders(leases)
        response = Responses(
            link: stores.cacheLink,
            calls: calls,
            keyspace: keyspace,
            namespaces: Namespaces(configuration.cache)
        )
        response.setKeys(keys.secrets)
        agent = AgentMethods(
            calls: calls,
            cache: cache,
            sessions: session,
            channels: channel,
            leases: leases,
            topics: topic,
            responses: response,
            stores: stores,
            configuration: configuration,
            log: log
        )
    }

    /// Begins what does not wait for a call; the stores have been started.
    func start() {
        channel.start()
    }

    /// Gives leases up whose clients are about to lose their connections.
    func handOver() {
        leases.handOver()
    }

    /// Takes up what may change while calls run.
    func adopt(_ next: Configuration, _ keys: SessionKeys) {
        cache.namespaces = Namespaces(next.cache)
        cache.sweepKeysPerSecond = next.cache.sweepKeysPerSecond
        cache.setKeys(keys.secrets)
        session.replaceKeys(keys.secrets, isDevelopment: keys.isDevelopment)
        session.settings = SessionSettings(next.sessions, classes: next.cache.classes)
        channel.settings = ChannelSettings(next.channels)
        topic.settings = TopicSettings(next)
        response.namespaces = Namespaces(next.cache)
        response.setKeys(keys.secrets)
    }

    /// Ends what would go on without calls, and tells those who hold it.
    func close() {
        cache.close()
        channel.close()
        topic.close()
        leases.close()
    }

    /// Whether something is still being given back that others may then have at once.
    var isReleasing: Bool { topic.isReleasing }
}
