public import Bytes
public import Crypto

/// A chain of records in which every change, loss or exchange of lines can be found.
///
/// Each line ends with `prev`, the code of the line before it, and `mac`, its own: HMAC-SHA256 over everything that stands
/// before it. The key of a line is made of that of the line before by a function that nobody can turn around, and the
/// old one is forgotten: whoever takes over the host later can forge lines from then on, none from before (forward
/// integrity, after Bellare and Yee, 1997). So it is overwritten where it stands.
public struct AuditChain {
    /// Number of the next line; the first is 1.
    public private(set) var next: UInt64
    /// Key of the next line; of this chain's own, unless it was copied since.
    private(set) var key: SecretBytes
    /// Code of the line before; zeros before the first.
    public private(set) var previous: [UInt8]

    /// Length of a code in bytes.
    static let codeBytes = 32

    /// Begins a chain.
    ///
    /// - Parameter key: ``AuditKey/byteCount`` random bytes, of which a copy is taken.
    public init(key: SecretBytes) {
        self.init(next: 1, key: key, previous: [UInt8](repeating: 0, count: AuditChain.codeBytes))
    }

    /// Goes on with a chain; a copy of the key is taken.
    init(next: UInt64, key: SecretBytes, previous: [UInt8]) {
        self.next = next
        self.key = key.withByteView { SecretBytes(copying: $0) }
        self.previous = previous
    }

    /// The code of the last line, as it stands in it.
    public var head: String { Hexadecimal.text(of: previous) }

    /// Appends a line.
    ///
    /// - Parameters:
    ///   - members: Members of the record's object, without braces and without a line break.
    ///   - buffer: Gets the line with its line break.
    public mutating func seal(_ members: ByteView, to buffer: inout ByteBuffer) {
        let start = buffer.count
        buffer.append("{\"seq\":")
        buffer.append(decimal: next)
        buffer.append(UInt8(ascii: ","))
        buffer.append(members)
        buffer.append(",\"prev\":\"")
        buffer.append(text: Hexadecimal.text(of: previous))
        buffer.append(UInt8(ascii: "\""))
        let code = code(of: buffer.view.dropFirst(start))
        buffer.append(",\"mac\":\"")
        buffer.append(text: Hexadecimal.text(of: code))
        buffer.append("\"}\n")
        advance(code)
    }

    /// The code of the next line, whose text up to the code is `text`.
    func code(of text: ByteView) -> [UInt8] {
        key.withByteView { KeyDerivation.hmac(key: $0, text) }
    }

    /// Goes on to the line after the one whose code is `code`.
    mutating func advance(_ code: [UInt8]) {
        previous = code
        next += 1
        // What was copied goes its own way.
        if !isKnownUniquelyReferenced(&key) { key = key.withByteView { SecretBytes(copying: $0) } }
        var following = key.withByteView { KeyDerivation.hmac(key: $0, ByteView("squire audit ratchet")) }
        unsafe key.withUnsafeMutableBytes { memory, count in
            precondition(count == following.count, "a key is as long as a code")
            for index in 0..<count { unsafe memory[index] = following[index] }
        }
        following.wipe()
    }

    /// Goes on to the line `number`, which comes later, without the lines between.
    mutating func skip(to number: UInt64, previous: [UInt8]) {
        while next < number { advance(previous) }
        self.previous = previous
    }
}
