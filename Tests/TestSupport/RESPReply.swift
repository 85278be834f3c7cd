/// One reply of Valkey, as RESP2 has them.
public indirect enum RESPReply: Equatable, Sendable {
    /// A status, such as `OK`.
    case simple(String)
    /// An error, beginning with its word.
    case error(String)
    /// A number.
    case integer(Int64)
    /// A string of any bytes.
    case bulk([UInt8])
    /// No value, or no list.
    case null
    /// A list.
    case array([RESPReply])

    /// The text of a status or a string, nil for everything else.
    public var text: String? {
        switch self {
        case .simple(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .error, .integer, .null, .array: nil
        }
    }

    /// The number, also where it came as a string.
    public var integer: Int64? {
        if case .integer(let value) = self { return value }
        return text.flatMap { Int64($0) }
    }

    /// The first word of an error, such as `BUSY`; nil for everything else.
    public var errorWord: String? {
        guard case .error(let text) = self else { return nil }
        return text.split(separator: " ").first.map(String.init)
    }

    /// The elements of a list.
    public var elements: [RESPReply]? {
        if case .array(let elements) = self { return elements }
        return nil
    }
}

/// Cuts replies out of the bytes of a connection.
public struct RESPDecoder {
    private var buffer: [UInt8] = []

    /// A decoder at the beginning of a connection.
    public init() {}

    /// Takes in what was received.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        buffer += bytes
    }

    /// Takes the next reply off the front.
    ///
    /// - Returns: The reply, nil where it is not complete yet.
    /// - Throws: ``FixtureError`` where the bytes are no RESP2.
    public mutating func next() throws -> RESPReply? {
        var position = 0
        guard let reply = try parse(&position) else { return nil }
        buffer.removeFirst(position)
        return reply
    }

    private func parse(_ position: inout Int) throws -> RESPReply? {
        guard let line = line(&position) else { return nil }
        let rest = String(decoding: line.dropFirst(), as: UTF8.self)
        switch line.first {
        case UInt8(ascii: "+"): return .simple(rest)
        case UInt8(ascii: "-"): return .error(rest)
        case UInt8(ascii: ":"): return .integer(try number(rest))
        case UInt8(ascii: "$"): return try bulk(Int(number(rest)), &position)
        case UInt8(ascii: "*"): return try array(Int(number(rest)), &position)
        default: throw FixtureError("not RESP2: \(String(decoding: line.prefix(80), as: UTF8.self))")
        }
    }

    private func line(_ position: inout Int) -> ArraySlice<UInt8>? {
        guard let end = buffer[position...].firstIndex(of: UInt8(ascii: "\n")), end > position else { return nil }
        defer { position = end + 1 }
        return buffer[position..<(end - 1)]
    }

    private func number(_ text: String) throws -> Int64 {
        guard let value = Int64(text) else { throw FixtureError("not a number in RESP2: \(text)") }
        return value
    }

    private func bulk(_ count: Int, _ position: inout Int) throws -> RESPReply? {
        guard count >= 0 else { return .null }
        guard buffer.count - position >= count + 2 else { return nil }
        defer { position += count + 2 }
        return .bulk(Array(buffer[position..<(position + count)]))
    }

    private func array(_ count: Int, _ position: inout Int) throws -> RESPReply? {
        guard count >= 0 else { return .null }
        var elements: [RESPReply] = []
        for _ in 0..<count {
            guard let element = try parse(&position) else { return nil }
            elements.append(element)
        }
        return .array(elements)
    }
}
