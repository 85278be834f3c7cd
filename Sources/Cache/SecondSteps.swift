import Bytes
import Contract
import EventLoop
import JSONRPC

extension Cache {
    /// What a call is answered for which nothing more can be kept.
    static let tooMuchKept = RPCError(
        .overloaded,
        "too much is in memory for the calls of this connection; wait for some of their replies",
        isRetryable: true
    )
}

/// What lies in memory for a connection while something more is asked about it, before it can be answered.
///
/// A reply that is answered at once is in the connection's output, whose bounds hold. One that waits for a second round
/// trip waits behind the first ones of all other calls: a client that asks much at once would have all of it kept. So a
/// connection has about as much kept as it may be owed, and nothing more while it is owed so much; for what is more,
/// Valkey is asked anew when its turn comes, or the call is refused.
@EventLoop
final class SecondSteps {
    /// What is kept for one connection.
    private struct Kept {
        var steps = 0
        var bytes = 0
        var waiting: [(bytes: Int, turn: CheckedContinuation<Void, Never>)] = []
    }

    private var kept: [ObjectIdentifier: Kept] = [:]
    private let limits: RPCLimits

    /// Keeps for a connection what it may be owed, or one reply where that is larger.
    init(limits: RPCLimits) {
        self.limits = limits
    }

    /// Begins a step with what has come, where that may be kept.
    ///
    /// - Parameters:
    ///   - peer: The connection.
    ///   - bytes: How much has come.
    ///   - isLast: Whether nothing can be asked anew: then as much may be kept as a connection is closed for.
    /// - Returns: Whether it may; ``end(_:bytes:)`` ends the step then.
    func begin(_ peer: Peer, bytes: Int, isLast: Bool = false) -> Bool {
        var mine = kept[ObjectIdentifier(peer)] ?? Kept()
        let fits =
            isLast
            ? mine.steps == 0 || mine.bytes + bytes <= limits.outputBytesMax
            : mine.waiting.isEmpty && fits(bytes, mine, peer)
        guard fits else { return false }
        mine.steps += 1
        mine.bytes += bytes
        kept[ObjectIdentifier(peer)] = mine
        return true
    }

    /// Waits until a step may begin that keeps so much, or the connection has gone; ``end(_:bytes:)`` ends it.
    func turn(_ peer: Peer, bytes: Int) async {
        if begin(peer, bytes: bytes) { return }
        await withCheckedContinuation { turn in
            kept[ObjectIdentifier(peer), default: Kept()].waiting.append((bytes, turn))
            goOn(peer)
        }
    }

    /// Ends a step, and begins those that have waited for it.
    func end(_ peer: Peer, bytes: Int) {
        kept[ObjectIdentifier(peer)]?.steps -= 1
        kept[ObjectIdentifier(peer)]?.bytes -= bytes
        goOn(peer)
    }

    /// Begins what waits and may begin: a step has ended, or the connection was given what it was owed, or has gone.
    func goOn(_ peer: Peer) {
        guard var mine = kept[ObjectIdentifier(peer)] else { return }
        while let next = mine.waiting.first, peer.isClosed || fits(next.bytes, mine, peer) {
            mine.waiting.removeFirst()
            mine.steps += 1
            mine.bytes += next.bytes
            next.turn.resume()
        }
        // Nothing but the connection's taking what it is owed lets the others go on.
        if !mine.waiting.isEmpty, mine.steps == 0 { peer.hasBacklog = true }
        kept[ObjectIdentifier(peer)] = mine.steps > 0 || !mine.waiting.isEmpty ? mine : nil
    }

    private func fits(_ bytes: Int, _ mine: Kept, _ peer: Peer) -> Bool {
        peer.output.count < limits.outputBytesHigh
            && (mine.steps == 0 || mine.bytes + bytes <= limits.outputBytesHigh)
    }
}
