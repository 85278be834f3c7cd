import Bytes
import JSONRPC

/// What a decoder makes of a stream that arrives in pieces, as its client sees it.
struct FrameLog: ~Copyable {
    /// Something that happened.
    enum Event: Equatable {
        case message([UInt8])
        case tooLarge
        case unreadableHeader
        case http
        /// The decoder broke its own promises.
        case fault(String)
    }

    /// What happened, in order.
    ///
    /// Bytes that were passed over are left out: how many at once depends on the pieces.
    private(set) var events: [Event] = []
    /// Whether the stream cannot be read on.
    private(set) var isOver = false
    private var decoder: FrameDecoder
    private var held = ByteBuffer()
    private let heldMax: Int

    /// Begins a stream.
    init(messageBytesMax: Int) {
        decoder = FrameDecoder(messageBytesMax: messageBytesMax)
        // A header is at most 4096 bytes; the byte beyond tells that something is too long.
        heldMax = messageBytesMax + 4097
    }

    /// Takes a piece of the stream.
    mutating func receive(_ piece: ByteView) {
        if isOver { return }
        held.append(piece)
        while !isOver {
            let frame = decoder.next(held.view)
            switch frame {
            case .message(let bounds, let length):
                guard bounds.lowerBound >= 0, bounds.upperBound <= length, length <= held.count else {
                    return stop(.fault("bounds outside of the frame"))
                }
                events.append(.message(held.view[bounds].copy()))
                consume(length)
            case .skipped(let length): consume(length)
            case .tooLarge(let length):
                events.append(.tooLarge)
                consume(length)
            case .unreadableHeader: stop(.unreadableHeader)
            case .http: stop(.http)
            case .incomplete:
                if held.count > heldMax { stop(.fault("more is held than a message may have")) }
                return
            }
        }
    }

    private mutating func consume(_ length: Int) {
        guard length > 0, length <= held.count else { return stop(.fault("a frame of \(length) bytes")) }
        held.consume(length)
    }

    private mutating func stop(_ event: Event) {
        events.append(event)
        isOver = true
    }
}

extension FrameLog {
    /// The events of a stream in pieces whose lengths `next` gives, in turn; a length is bounded to what is left.
    static func events(of stream: ByteView, messageBytesMax: Int, pieces next: () -> Int) -> [Event] {
        var log = FrameLog(messageBytesMax: messageBytesMax)
        var index = 0
        while index < stream.count {
            let end = min(stream.count, index + max(1, next()))
            log.receive(stream[index..<end])
            index = end
        }
        return log.events
    }

    /// The events of a stream that arrives at once.
    static func events(of stream: [UInt8], messageBytesMax: Int = 1 << 20) -> [Event] {
        stream.withByteView { events(of: $0, messageBytesMax: messageBytesMax) { .max >> 1 } }
    }

    /// The events of a stream that arrives at once.
    static func events(of stream: String, messageBytesMax: Int = 1 << 20) -> [Event] {
        events(of: Array(stream.utf8), messageBytesMax: messageBytesMax)
    }
}
