public import Bytes
import JSON

/// What Valkey keeps of one who holds something, or waits for it: words with a space between.
///
/// `<end> <weight> <fence> <since> <ttl> <state> <user> <agent> <party> <description>`; for one who waits, the fence is
/// the capacity asked for. Times are Unix milliseconds of the server's clock. The scripts read the first eight.
public struct LeaseRecord: Sendable {
    /// When the record ends unless it is renewed.
    public let end: Int64
    /// Places taken, or asked for.
    public let weight: Int64
    /// The fence.
    public let fence: Int64
    /// Since when it is held or waited for.
    public let since: Int64
    /// Life that renewing gives.
    public let life: Int64
    /// `g` granted and not taken yet, `h` held, `r` revoked, `w` waiting.
    public let state: UInt8
    /// User of whoever asked.
    public let user: UInt32
    /// The agent that keeps it.
    public let agent: [UInt8]
    /// Who it is to deadlock detection.
    public let party: [UInt8]
    /// Label, host and the rest, an object on one line.
    public let description: [UInt8]

    /// Reads a record; nil where the bytes are none.
    public init?(_ bytes: [UInt8]) {
        let parts = bytes.split(separator: UInt8(ascii: " "), maxSplits: 9, omittingEmptySubsequences: false)
        guard parts.count == 10, let state = parts[5].first else { return nil }
        let numbers = [0, 1, 2, 3, 4, 6].compactMap { Int64(String(decoding: parts[$0], as: UTF8.self)) }
        guard numbers.count == 6, let user = UInt32(exactly: numbers[5]) else { return nil }
        (end, weight, fence, since, life) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
        self.state = state
        self.user = user
        agent = Array(parts[7])
        party = Array(parts[8])
        description = Array(parts[9])
    }
}

/// What is told of a party: as whom it asked, from where, and how its lease is kept.
public struct LeaseDescription: Equatable, Sendable {
    /// What the party called itself, as JSON text with its quotes; nil where it did not.
    public var label: [UInt8]?
    /// The name of its host.
    public var host: String
    /// Whether the agent renews the lease while the connection lives.
    public var isBound: Bool
    /// How long the agent renews without hearing from the client, in milliseconds.
    public var holdMilliseconds: Int64

    /// Describes a party.
    public init(label: [UInt8]?, host: String, isBound: Bool, holdMilliseconds: Int64) {
        self.label = label
        self.host = host
        self.isBound = isBound
        self.holdMilliseconds = holdMilliseconds
    }

    /// Reads the text that ``text`` made; nil for anything else.
    public init?(_ bytes: [UInt8]) {
        guard let document = try? Document.parse(bytes), let host = document["host"]?.string else { return nil }
        self.host = host
        label = document["label"]?.string.map { label in
            var buffer = ByteBuffer()
            buffer.append(jsonString: label)
            return buffer.view.copy()
        }
        isBound = document["bound"]?.boolean ?? false
        holdMilliseconds = document["hold_ms"]?.integer ?? 0
    }

    /// An object on one line.
    public var text: [UInt8] {
        var buffer = ByteBuffer()
        buffer.append("{")
        appendWho(to: &buffer)
        buffer.append(",\"bound\":")
        buffer.append(jsonBoolean: isBound)
        buffer.append(",\"hold_ms\":")
        buffer.append(decimal: holdMilliseconds)
        buffer.append("}")
        return buffer.view.copy()
    }

    /// Appends the members `label`, where there is one, and `host`.
    public func appendWho(to buffer: inout ByteBuffer) {
        if let label {
            buffer.append("\"label\":")
            buffer.append(label)
            buffer.append(UInt8(ascii: ","))
        }
        buffer.append("\"host\":")
        buffer.append(jsonString: host)
    }
}
