import Linux

/// One direction of one connection: decides which bytes may go on when.
///
/// Pure: time and delays are passed in, and the bytes that may go on are returned.
struct FaultProxyStream {
    private struct Piece {
        let due: Instant
        let bytes: [UInt8]
    }

    /// The source is not read while so many bytes are held.
    static let heldBytesMax = 1 << 20

    private var pieces: [Piece] = []
    private var first = 0
    private var offset = 0
    private var lastDue = Instant(nanoseconds: 0)
    private var nextSend = Instant(nanoseconds: 0)
    /// Bytes taken in that have not gone on yet.
    private(set) var heldBytes = 0
    /// Bytes that may still be taken in before the connection is reset, nil for no bound.
    var bytesUntilReset: Int?
    /// Whether the offset of the reset is reached; for an offset of 0 that is when the first byte comes.
    private var isCut = false
    /// Whether the source sends no more.
    var isEnded = false
    /// Whether the target has been told so.
    var isEndTold = false

    /// Whether more may be read from the source.
    var hasRoom: Bool { !isEnded && heldBytes < Self.heldBytesMax && !isCut }

    /// Whether the connection is to be reset now: all that was to go on before has gone.
    var isResetDue: Bool { isCut && heldBytes == 0 }

    /// Takes in what the source sent; what lies behind the offset of a reset is dropped.
    ///
    /// - Parameters:
    ///   - bytes: What came.
    ///   - due: When it may go on; later where an earlier piece goes on later.
    mutating func take(_ bytes: some Collection<UInt8>, due: Instant) {
        var bytes = Array(bytes)
        if let left = bytesUntilReset {
            bytes.removeLast(max(bytes.count - left, 0))
            bytesUntilReset = left - bytes.count
            isCut = bytesUntilReset == 0
        }
        guard !bytes.isEmpty else { return }
        lastDue = max(lastDue, due)
        heldBytes += bytes.count
        pieces.append(Piece(due: lastDue, bytes: bytes))
    }

    /// The bytes that may go on at `now`, none where it is too early.
    func sendable(at now: Instant, _ faults: FaultProxy.Faults) -> ArraySlice<UInt8> {
        guard first < pieces.count, pieces[first].due <= now, nextSend <= now else { return [] }
        var bytes = pieces[first].bytes[offset...]
        if let sliceBytes = faults.sliceBytes { bytes = bytes.prefix(max(sliceBytes, 1)) }
        // A hundredth of a second's worth, so that the bytes trickle.
        if let rate = faults.bytesPerSecond { bytes = bytes.prefix(max(rate / 100, 1)) }
        return bytes
    }

    /// Takes note that `count` bytes went on at `now`.
    mutating func sent(_ count: Int, at now: Instant, _ faults: FaultProxy.Faults) {
        heldBytes -= count
        offset += count
        if offset == pieces[first].bytes.count {
            first += 1
            offset = 0
        }
        if first == pieces.count {
            pieces.removeAll(keepingCapacity: true)
            first = 0
        }
        guard let rate = faults.bytesPerSecond else { return }
        nextSend = max(nextSend, now).advanced(nanoseconds: Int64(count) * 1_000_000_000 / Int64(max(rate, 1)))
    }

    /// When something may go on, nil while nothing is held.
    var nextInstant: Instant? {
        first < pieces.count ? max(pieces[first].due, nextSend) : nil
    }

    /// Drops what is held.
    ///
    /// - Returns: How many bytes that was.
    mutating func drop() -> Int {
        defer {
            pieces.removeAll()
            first = 0
            offset = 0
            heldBytes = 0
        }
        return heldBytes
    }
}
