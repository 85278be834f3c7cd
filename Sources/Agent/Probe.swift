import EventLoop
import Bytes
import Cache
import Contract
import JSON
import JSONRPC
import Linux
import Observability
import Store
import Valkey
import Glibc

@EventLoop var keep: [AnyObject] = []
public func probe(_ socket: String, _ url: String, _ connections: Int) {
    EventLoop.run {
        do {
            SignalDescriptor.ignore(SIGPIPE)
            let log = Log()
            var configuration = LinkConfiguration(endpoint: try Endpoint(url: url))
            configuration.connections = connections
            let link = Link(name: "cache", configuration: configuration, log: log)
            let calls = CallTable(limits: RPCLimits(), methods: Method.allCases.count)
            let cache = Cache(link: link, calls: calls, keyspace: Keyspace(prefix: [], keyBytesMax: 1024), namespaces: Namespaces([:], fallback: NamespaceSettings(defaultLifeMilliseconds: 300_000)))
            let methods = AgentMethods(calls: calls, sources: .init(cacheLink: link, stateLink: link, cache: cache, log: log, appendConfiguration: { $0.append("{}") }, warnings: { [] }))
            let dispatcher = Dispatcher(calls: calls, cache: cache, agent: methods, deadlines: .init())
            unsafe unlink(socket)
            let server = Server(listener: try Socket.listen(unixPath: socket, backlog: 4096), connectionsMax: 10000, calls: calls, dispatcher: dispatcher, log: log)
            methods.server = server
            link.start()
            try server.start()
            keep = [link, calls, cache, methods, dispatcher, server]
        } catch { fatalError("\(error)") }
    }
}
