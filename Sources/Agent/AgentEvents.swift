import Bytes
import EventLoop
import JSON
import JSONRPC
import Resilience

/// Tells connections that asked for it (`agent.subscribe`) what changes in the agent.
@EventLoop
final class AgentEvents {
    private let calls: CallTable
    private var subscribers: [(peer: Peer, name: String)] = []
    private var count = 0

    init(calls: CallTable) {
        self.calls = calls
    }

    /// Subscribes the connection of `call`, and answers it; a connection that has subscribed gets the same name again.
    func subscribe(_ call: CallID) {
        subscribers.removeAll { $0.peer.isClosed }
        guard let peer = calls.peer(of: call) else { return calls.reply(call) { $0.append("{}") } }
        let name = subscribers.first { $0.peer === peer }?.name ?? add(peer)
        calls.reply(call) { result in
            result.append("{\"subscription\":")
            result.append(jsonString: name)
            result.append(UInt8(ascii: "}"))
        }
    }

    private func add(_ peer: Peer) -> String {
        count += 1
        let name = "agent-\(count)"
        subscribers.append((peer, name))
        peer.bindings += 1
        return name
    }

    /// Tells every connection that ever subscribed or holds something that the agent ends, and how long running calls
    /// have.
    func closing(grace milliseconds: Int64, to peers: [Peer]) {
        for peer in peers where peer.hasBound {
            calls.push(peer, "agent.closing") { parameters in
                parameters.append("{\"grace_ms\":")
                parameters.append(decimal: milliseconds)
                parameters.append(UInt8(ascii: "}"))
            }
        }
    }

    /// Tells of a circuit breaker.
    func breakerChanged(_ store: String, _ state: CircuitBreaker.State, _ reason: String) {
        subscribers.removeAll { $0.peer.isClosed }
        for (peer, name) in subscribers {
            calls.push(peer, "agent.event") { parameters in
                parameters.append("{\"subscription\":")
                parameters.append(jsonString: name)
                parameters.append(",\"event\":\"breaker\",\"store\":")
                parameters.append(jsonString: store)
                parameters.append(",\"state\":")
                parameters.append(jsonString: state.name)
                parameters.append(",\"reason\":")
                parameters.append(jsonString: reason)
                parameters.append(UInt8(ascii: "}"))
            }
        }
    }
}
