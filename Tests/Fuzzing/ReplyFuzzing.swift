import Bytes

/// A stream of Valkey gives the same replies whatever pieces it comes in, and never traps.
enum ReplyFuzzing {
    private static let replyBytesMax = 2000
    private static let pendingBytesMax = 1 << 20

    /// What a reader made of a stream.
    private struct Outcome: Equatable {
        var replies: [ReplyValue] = []
        var fault: ProtocolFault?
    }

    static func run(_ input: ByteView) {
        let pieces = Pieces(input)
        let whole = outcome(pieces) { pieces.stream.count }
        for next in [{ 1 }, pieces.drawn()] {
            let found = outcome(pieces, next)
            precondition(found == whole, "in pieces: \(found), not \(whole)")
        }
    }

    private static func outcome(_ pieces: Pieces, _ next: () -> Int) -> Outcome {
        let reader = ReplyReader(replyBytesMax: replyBytesMax, pendingBytesMax: pendingBytesMax)
        var outcome = Outcome()
        pieces.forEach(next) { piece in
            guard outcome.fault == nil else { return }
            let result = reader.feed(piece) { reply in
                _ = reply.isError("ERR")
                if reply.kind == .error { _ = reply.errorWord }
                outcome.replies.append(reply.copy())
            }
            if case .failure(let fault) = result { outcome.fault = fault }
        }
        return outcome
    }
}
