import Bytes
import EventLoop
import JSONRPC

/// The subscriptions of one connection, for which one question at a time is on its way: what that brings is all that the
/// connection's output has to hold beyond what it holds.
@EventLoop
final class PeerTopics {
    /// Unsent output of a connection, in bytes, from which on no more messages are asked for.
    private static let outputBytesHigh = 256 << 10

    /// The connection.
    let peer: Peer
    /// Its subscriptions.
    var subscriptions: [TopicSubscription] = []
    /// Whether a question on its way asks for messages for it.
    var isAskedFor = false
    /// Whether those that stand in line are being served.
    var isServing = false
    /// Subscriptions for which messages are to be asked for once it can be, the first first.
    private var line: [TopicSubscription] = []

    init(_ peer: Peer) {
        self.peer = peer
    }

    /// Whether it takes messages, as far as its output goes.
    var takesOutput: Bool { !peer.isBlocked && peer.output.count < PeerTopics.outputBytesHigh }

    /// Whether somebody stands in line.
    var hasLine: Bool { !line.isEmpty }

    /// Has a subscription stand in line, where it does not yet.
    func standInLine(_ subscription: TopicSubscription) {
        guard !subscription.isInLine else { return }
        subscription.isInLine = true
        line.append(subscription)
    }

    /// Takes the first out of the line; nil where nobody stands in it.
    func next() -> TopicSubscription? {
        guard !line.isEmpty else { return nil }
        let first = line.removeFirst()
        first.isInLine = false
        return first
    }
}
