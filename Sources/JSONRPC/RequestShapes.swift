public import Bytes

/// The shapes of the requests that came of late, by which those that come now are read without being parsed.
///
/// Programs write the same few requests over and over, and all processes of a program write them alike. A connection
/// remembers which shape its usual requests have; one that has another is parsed as ever.
@safe
public final class RequestShapes {
    /// Most shapes that are kept; the oldest goes for a new one.
    static let countMax = 16
    /// Requests of unknown shape that a connection makes, one after the other, before the first is learned: a program
    /// that makes one call and leaves is not worth it.
    private static let unknownMin: UInt8 = 2
    /// The same for a connection that had a shape: one that makes calls of two kinds in turn stays with one of them.
    private static let changedMin: UInt8 = 8
    /// Shapes that a connection may teach without making another request of one of them.
    private static let taughtMax: UInt8 = 4

    private let limits: RPCLimits
    // Kept by hand: counting references would cost a message two atomic operations.
    private var shapes: [Unmanaged<RequestShape>]
    private var notes: [Int] = []
    private var oldest = 0

    /// Knows no shape.
    ///
    /// - Parameter limits: The bounds that requests are parsed with.
    public init(limits: RPCLimits) {
        self.limits = limits
        unsafe shapes = []
    }

    deinit {
        for number in notes.indices { unsafe shapes[number].release() }
    }

    /// What was noted of the shape that a connection's usual requests have; nil where none is known.
    @inline(__always)
    public func note(for peer: Peer) -> Int? {
        peer.shape.map { notes[$0] }
    }

    /// Reads a message of the shape that a connection's usual requests have, as ``RequestShape/match(_:)`` does.
    @inline(__always)
    public func match(_ message: ByteView, for peer: Peer) -> Request? {
        guard let number = peer.shape,
            let request = unsafe shapes[number]._withUnsafeGuaranteedRef({ $0.match(message) })
        else { return nil }
        peer.unknownShapes = 0
        peer.taughtShapes = 0
        return request
    }

    /// Takes note of a request that had to be parsed, and of its shape where that is likely to come again.
    ///
    /// - Parameters:
    ///   - message: The message.
    ///   - request: What it was parsed to, lent from it.
    ///   - peer: The connection that it came over.
    ///   - note: Makes what ``note(for:)`` is to tell of it.
    public func learn(_ message: ByteView, _ request: Request, for peer: Peer, note: () -> Int) {
        // Nobody is made to wait for what cannot be learned, or for one whose requests are all of other shapes.
        guard RequestShape.isFit(message, request, limits), peer.taughtShapes < RequestShapes.taughtMax else { return }
        peer.unknownShapes &+= 1
        guard peer.unknownShapes % (peer.shape == nil ? RequestShapes.unknownMin : RequestShapes.changedMin) == 0
        else { return }
        let known = unsafe shapes.firstIndex { shape in
            unsafe shape._withUnsafeGuaranteedRef { $0.match(message) != nil }
        }
        if let known {
            peer.shape = known
            return
        }
        guard let shape = RequestShape(message, request, limits: limits) else { return }
        peer.taughtShapes += 1
        if notes.count < RequestShapes.countMax {
            peer.shape = notes.count
            unsafe shapes.append(.passRetained(shape))
            notes.append(note())
        } else {
            peer.shape = oldest
            unsafe shapes[oldest].release()
            unsafe shapes[oldest] = .passRetained(shape)
            notes[oldest] = note()
            oldest = (oldest + 1) % RequestShapes.countMax
        }
    }
}
