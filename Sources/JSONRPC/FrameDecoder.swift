public import Bytes
import JSON

/// Cuts a connection's bytes into messages.
///
/// A connection speaks one of two framings, told by its first byte: one message a line, or, where the first byte is
/// `C`, a `Content-Length` header before each message, as language servers do. The decoder holds no bytes; it is asked
/// again with the bytes that it has not consumed yet, and remembers how far it has looked at them.
public struct FrameDecoder {
    /// How messages are delimited.
    public enum Framing {
        /// No byte has come yet.
        case undecided
        /// A newline ends each message.
        case lines
        /// A header tells each message's length.
        case contentLength
    }

    /// What stands at the front of the bytes.
    public enum Frame {
        /// A message at `bounds`; `length` bytes are to be consumed with it.
        case message(bounds: Range<Int>, length: Int)
        /// Nothing of interest in the first `length` bytes, which are to be consumed.
        case skipped(length: Int)
        /// A message longer than the limit begins; `length` bytes are to be consumed, and the rest of it is skipped.
        case tooLarge(length: Int)
        /// A header that cannot be understood: where the next message begins is unknown.
        case unreadableHeader
        /// An HTTP request.
        case http
        /// More bytes are needed.
        case incomplete
    }

    /// The connection's framing, once its first byte has come.
    public private(set) var framing = Framing.undecided
    private let messageBytesMax: Int
    /// Bytes at the front that hold no newline, as far as they have been looked at.
    private var searched = 0
    /// Bytes of a message too large that are still to come; `.max` until its newline.
    private var skipping = 0

    /// Longest header of a message, in bytes.
    private static let headerBytesMax = 4096

    /// Begins a connection.
    public init(messageBytesMax: Int) {
        self.messageBytesMax = messageBytesMax
    }

    /// Whether each message is a line, and the next byte begins one as far as is known.
    @inline(__always)
    public var isBetweenLines: Bool { framing == .lines && searched == 0 && skipping == 0 }

    /// Finds the frame at the front of `bytes`.
    ///
    /// - Parameter bytes: All that was received and not consumed.
    /// - Returns: The frame; offsets count from the first of `bytes`.
    public mutating func next(_ bytes: ByteView) -> Frame {
        guard !bytes.isEmpty else { return .incomplete }
        if skipping > 0 { return skip(bytes) }
        switch framing {
        case .undecided: return decide(bytes)
        case .lines: return nextLine(bytes)
        case .contentLength: return nextCounted(bytes)
        }
    }

    private mutating func decide(_ bytes: ByteView) -> Frame {
        switch bytes[0] {
        case UInt8(ascii: "C"), UInt8(ascii: "c"):
            framing = .contentLength
        case UInt8(ascii: "G"), UInt8(ascii: "P"), UInt8(ascii: "H"):
            for request in ["GET ", "POST ", "HEAD ", "PUT "] as [StaticString] {
                if bytes.hasPrefix(request) { return .http }
                if bytes.count < request.utf8CodeUnitCount, isPrefix(bytes, of: request) { return .incomplete }
            }
            framing = .lines
        default:
            framing = .lines
        }
        return next(bytes)
    }

    private func isPrefix(_ bytes: ByteView, of request: StaticString) -> Bool {
        ByteView(request).hasPrefix(bytes)
    }

    private mutating func nextLine(_ bytes: ByteView) -> Frame {
        guard let newline = bytes.firstIndex(of: UInt8(ascii: "\n"), from: searched) else {
            guard bytes.count > messageBytesMax + 1 else {
                searched = bytes.count
                return .incomplete
            }
            searched = 0
            skipping = .max
            return .tooLarge(length: bytes.count)
        }
        searched = 0
        var end = newline
        if end > 0, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        guard end <= messageBytesMax else { return .tooLarge(length: newline + 1) }
        if isBlank(bytes[0..<end]) { return .skipped(length: newline + 1) }
        return .message(bounds: 0..<end, length: newline + 1)
    }

    /// Whether a message is nothing but the white space of JSON.
    @inline(__always)
    private func isBlank(_ message: ByteView) -> Bool {
        var scanner = JSONScanner(message, depthMax: 1)
        scanner.skipWhiteSpace()
        return scanner.next == nil
    }

    private mutating func skip(_ bytes: ByteView) -> Frame {
        guard framing == .lines else {
            let length = min(skipping, bytes.count)
            skipping -= length
            return .skipped(length: length)
        }
        guard let newline = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return .skipped(length: bytes.count) }
        skipping = 0
        return .skipped(length: newline + 1)
    }

    private mutating func nextCounted(_ bytes: ByteView) -> Frame {
        // Blank lines between messages are let pass, as with the other framing.
        if bytes[0] == UInt8(ascii: "\r") || bytes[0] == UInt8(ascii: "\n") { return .skipped(length: 1) }
        guard let header = headerEnd(bytes) else {
            return bytes.count > FrameDecoder.headerBytesMax ? .unreadableHeader : .incomplete
        }
        guard let length = contentLength(bytes[0..<header.fields]) else { return .unreadableHeader }
        guard length <= messageBytesMax else {
            let held = bytes.count - header.end
            let consumed = min(held, length)
            skipping = length - consumed
            return .tooLarge(length: header.end + consumed)
        }
        guard bytes.count - header.end >= length else { return .incomplete }
        if isBlank(bytes[header.end..<(header.end + length)]) { return .skipped(length: header.end + length) }
        return .message(bounds: header.end..<(header.end + length), length: header.end + length)
    }

    /// Finds the empty line that ends a header: the length of the fields before it, and where the message begins.
    private func headerEnd(_ bytes: ByteView) -> (fields: Int, end: Int)? {
        var from = 0
        let bound = min(bytes.count, FrameDecoder.headerBytesMax)
        while let newline = bytes.prefix(bound).firstIndex(of: UInt8(ascii: "\n"), from: from) {
            var next = newline + 1
            if next < bound, bytes[next] == UInt8(ascii: "\r") { next += 1 }
            if next < bound, bytes[next] == UInt8(ascii: "\n") { return (newline, next + 1) }
            from = newline + 1
        }
        return nil
    }

    /// The value of the field `Content-Length`, 0 or more; nil where it is missing, given twice or no number.
    private func contentLength(_ fields: ByteView) -> Int? {
        var result: Int?
        var start = 0
        while start < fields.count {
            let newline = fields.firstIndex(of: UInt8(ascii: "\n"), from: start) ?? fields.count
            let line = fields[start..<newline]
            start = newline + 1
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            guard isContentLength(line[0..<colon]) else { continue }
            guard result == nil, let value = trimmed(line.dropFirst(colon + 1)).integer, value >= 0 else { return nil }
            result = Int(value)
        }
        return result
    }

    private func isContentLength(_ name: ByteView) -> Bool {
        let expected = ByteView("content-length")
        guard name.count == expected.count else { return false }
        for index in 0..<name.count {
            let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(name[index])
            guard name[index] | (isUpper ? 0x20 : 0) == expected[index] else { return false }
        }
        return true
    }

    private func trimmed(_ value: ByteView) -> ByteView {
        var lower = 0
        var upper = value.count
        while lower < upper, isSpace(value[lower]) { lower += 1 }
        while upper > lower, isSpace(value[upper - 1]) { upper -= 1 }
        return value[lower..<upper]
    }

    private func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}
