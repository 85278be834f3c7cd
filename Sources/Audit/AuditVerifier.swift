public import Bytes
public import Crypto

/// Goes through the lines of an audit file, or of several in their order, and finds the first that is not as the agent
/// wrote it.
public struct AuditVerifier {
    /// A line whose code is known from elsewhere, such as from the journal.
    public struct Head: Equatable, Sendable {
        /// The line's number.
        public let sequence: UInt64
        /// The line's code.
        let code: [UInt8]

        /// Reads `SEQUENCE:CODE`, as the agent logs it; nil where the text is none.
        public init?(_ text: String) {
            let parts = text.split(separator: ":")
            guard parts.count == 2, let sequence = UInt64(parts[0]), sequence > 0,
                let code = String(parts[1]).withByteView({ Hexadecimal.bytes(of: $0) }),
                code.count == AuditChain.codeBytes
            else { return nil }
            self.sequence = sequence
            self.code = code
        }
    }

    /// What is wrong with a line.
    public struct Fault: Error, Equatable, Sendable {
        /// Number of the line over all files, the first is 1; nil where a line is missing at the end.
        public let line: Int?
        /// What is wrong, in words.
        public let reason: String
    }

    /// Lines that were found right.
    public private(set) var count = 0
    /// Number that the first line has in the chain; nil before it.
    public private(set) var first: UInt64?
    private var chain: AuditChain
    private let heads: [Head]

    /// The farthest that a file may lie behind the chain's beginning: an hour's work or so of finding its key.
    private static let distanceMax: UInt64 = 10_000_000_000

    /// Verifies a chain that began with `key`.
    ///
    /// - Parameters:
    ///   - key: ``AuditKey/byteCount`` bytes.
    ///   - heads: Lines that must be there, unless the files begin after them.
    public init(key: SecretBytes, heads: [Head] = []) {
        chain = AuditChain(key: key)
        self.heads = heads
    }

    /// Number of the last line; 0 before the first.
    public var last: UInt64 { first == nil ? 0 : chain.next - 1 }
    /// The code of the last line.
    public var head: String { chain.head }

    /// Verifies the next line.
    ///
    /// - Parameter text: The line without its line break.
    /// - Throws: ``Fault``; what follows a line that is wrong says nothing more.
    public mutating func take(_ text: ByteView) throws(Fault) {
        let number = count + 1
        guard let line = AuditLine(text) else { throw Fault(line: number, reason: "is no line of an audit file") }
        if first == nil {
            guard line.sequence < AuditVerifier.distanceMax else {
                throw Fault(line: number, reason: "has a number that no chain reaches: \(line.sequence)")
            }
            if line.sequence > 1 { chain.skip(to: line.sequence, previous: line.previous) }
        }
        guard line.sequence == chain.next else {
            let gap = line.sequence > chain.next ? "lines are missing or exchanged" : "lines are repeated or exchanged"
            throw Fault(line: number, reason: "has number \(line.sequence) where \(chain.next) follows: \(gap)")
        }
        guard line.previous == chain.previous else {
            throw Fault(line: number, reason: "does not follow the line before it")
        }
        guard line.code == chain.code(of: line.signed) else {
            throw Fault(line: number, reason: "was changed, or made with another key")
        }
        for head in heads where head.sequence == line.sequence {
            guard head.code == line.code else {
                throw Fault(line: number, reason: "is not the line \(head.sequence) that the agent told of")
            }
        }
        if first == nil { first = line.sequence }
        chain.advance(line.code)
        count = number
    }

    /// Verifies the end.
    ///
    /// - Throws: ``Fault`` where a line is missing of which the agent told.
    public func finish() throws(Fault) {
        for head in heads where head.sequence > last {
            throw Fault(line: nil, reason: "the file ends before line \(head.sequence) that the agent told of")
        }
    }
}
