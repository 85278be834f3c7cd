import Bytes

/// Ways to cut a stream, drawn from the input itself: its first bytes are lengths, the rest is the stream.
struct Pieces {
    /// The stream.
    let stream: ByteView
    private let lengths: [Int]

    /// Takes an input apart.
    init(_ input: ByteView) {
        let count = min(4, input.count)
        lengths = input.prefix(count).copy().map { Int($0 & 0x3f) + 1 }
        stream = input.dropFirst(count)
    }

    /// Lengths of pieces, in turn, again and again.
    func drawn() -> () -> Int {
        var index = 0
        return {
            defer { index += 1 }
            return lengths.isEmpty ? 1 : lengths[index % lengths.count]
        }
    }

    /// Runs `body` with each piece of the stream, whose lengths `next` gives.
    func forEach(_ next: () -> Int, _ body: (ByteView) -> Void) {
        var index = 0
        while index < stream.count {
            let end = min(stream.count, index + max(1, next()))
            body(stream[index..<end])
            index = end
        }
    }
}
