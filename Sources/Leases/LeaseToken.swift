public import Bytes
import Crypto

/// The random name of a lease: 128 bits, which nobody can guess.
public struct LeaseID: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    /// Bytes of its text.
    static let textCount = 32
    /// Bytes of its value.
    private static let byteCount = 16

    /// A new one.
    public static func make() -> LeaseID { make(1)[0] }

    /// As many new ones, which costs little more than one.
    static func make(_ count: Int) -> [LeaseID] {
        let bytes = RandomBytes.make(count * byteCount)
        let word = { (start: Int) in bytes[start..<(start + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        return (0..<count).map { LeaseID(high: word($0 * byteCount), low: word($0 * byteCount + 8)) }
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 32 lower-case hexadecimal digits; nil for anything else.
    public init?(_ text: ByteView) {
        guard text.count == LeaseID.textCount else { return nil }
        guard let high = Hexadecimal.number(of: text.prefix(16)), let low = Hexadecimal.number(of: text.dropFirst(16))
        else { return nil }
        self.init(high: high, low: low)
    }

    /// Its 32 digits.
    public var text: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(LeaseID.textCount)
        text.append(hexadecimal: high)
        text.append(hexadecimal: low)
        return text
    }
}

/// What a client shows to renew or end its lease: the lease's name, then what is leased, so that any agent finds it.
///
/// `<32 digits>-<the name in Base64>`. It gives power over this lease alone.
public struct LeaseToken: Sendable {
    /// The lease's name.
    public let id: LeaseID
    /// The name of what is leased.
    public let name: [UInt8]

    /// The token of a lease.
    public init(_ id: LeaseID, _ name: [UInt8]) {
        self.id = id
        self.name = name
    }

    /// Reads a token; nil where the text is none.
    public init?(_ text: ByteView) {
        let head = LeaseID.textCount
        guard text.count > head + 1, text[head] == UInt8(ascii: "-"), let id = LeaseID(text.prefix(head)) else {
            return nil
        }
        var name = ByteBuffer()
        guard Base64.decode(text.dropFirst(head + 1), to: &name), !name.isEmpty else { return nil }
        self.init(id, name.view.copy())
    }

    /// Appends its text.
    public func append(to buffer: inout ByteBuffer) {
        buffer.append(id.text)
        buffer.append(UInt8(ascii: "-"))
        name.withByteView { Base64.encode($0, to: &buffer) }
    }
}
