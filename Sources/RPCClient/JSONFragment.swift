import Bytes
public import JSON

/// One JSON value as the text it was written in, owned.
///
/// The command line and the agent exchange text that must survive as it is: numbers beyond any machine type, the order
/// of members, escapes. So a value is known to be valid JSON, can be looked into, and is never printed anew. Parts
/// share the memory of the whole.
public struct JSONFragment: Sendable {
    /// Deepest nesting that is followed; the agent allows 64 around a value.
    public static let depthMax = 256

    private let storage: [UInt8]
    private let bounds: Range<Int>
    /// What the value is.
    public let kind: JSONKind

    private init(_ storage: [UInt8], _ bounds: Range<Int>, _ kind: JSONKind) {
        self.storage = storage
        self.bounds = bounds
        self.kind = kind
    }

    /// Takes text that holds exactly one JSON value; whitespace around it is left out.
    ///
    /// - Parameter bytes: Any bytes.
    /// - Throws: ``JSONFault``, the first one from the left.
    /// - Complexity: O(n).
    public init(scanning bytes: [UInt8]) throws(JSONFault) {
        self = try bytes.withByteView { (view) throws(JSONFault) in
            var scanner = JSONScanner(view, depthMax: Self.depthMax)
            scanner.skipWhiteSpace()
            let fragment = try Self.next(&scanner, in: bytes)
            try scanner.finish()
            return fragment
        }
    }

    /// Takes text that holds exactly one JSON value; nil where it does not.
    public init?(_ bytes: [UInt8]) {
        guard let fragment = try? JSONFragment(scanning: bytes) else { return nil }
        self = fragment
    }

    /// Takes text that holds exactly one JSON value; nil where it does not.
    public init?(_ text: String) {
        self.init([UInt8](text.utf8))
    }

    /// A JSON string of the characters of `text`.
    public init(string text: String) {
        var buffer = ByteBuffer()
        buffer.append(jsonString: text)
        self.init(buffer.view.copy(), 0..<buffer.count, .string)
    }

    /// A JSON number.
    public init(integer value: Int64) {
        let bytes = [UInt8]("\(value)".utf8)
        self.init(bytes, 0..<bytes.count, .number)
    }

    /// The value's text.
    public var bytes: ArraySlice<UInt8> { storage[bounds] }

    /// The value's text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The number, where the value is one written as an integer that 64 bits hold.
    public var integer: Int64? { kind == .number ? Int64(text) : nil }

    /// The characters of a string, escapes resolved; nil where the value is not a string.
    public var string: String? {
        guard kind == .string else { return nil }
        return look { scanner throws(JSONFault) in try scanner.scanString().decoded() }
    }

    /// The members of an object in the order written, doubles included; none where the value is not an object.
    public var members: [(name: String, value: JSONFragment)] {
        guard kind == .object else { return [] }
        return look { scanner throws(JSONFault) in
            var members: [(name: String, value: JSONFragment)] = []
            try scanner.expect(UInt8(ascii: "{"))
            scanner.skipWhiteSpace()
            if scanner.accept(UInt8(ascii: "}")) { return members }
            repeat {
                let name = try scanner.scanString().decoded()
                try scanner.passColon()
                members.append((name, try Self.next(&scanner, in: storage)))
            } while try !scanner.passSeparator(end: UInt8(ascii: "}"))
            return members
        }
    }

    /// The elements of an array; none where the value is not an array.
    public var elements: [JSONFragment] {
        guard kind == .array else { return [] }
        return look { scanner throws(JSONFault) in
            var elements: [JSONFragment] = []
            try scanner.expect(UInt8(ascii: "["))
            scanner.skipWhiteSpace()
            if scanner.accept(UInt8(ascii: "]")) { return elements }
            repeat {
                elements.append(try Self.next(&scanner, in: storage))
            } while try !scanner.passSeparator(end: UInt8(ascii: "]"))
            return elements
        }
    }

    /// The member called `name`; the last one, where there are several.
    public subscript(name: String) -> JSONFragment? {
        members.last { $0.name == name }?.value
    }

    private static func next(_ scanner: inout JSONScanner, in storage: [UInt8]) throws(JSONFault) -> JSONFragment {
        let start = scanner.position
        let kind = try scanner.scanValue(depth: 0).kind
        return JSONFragment(storage, start..<scanner.position, kind)
    }

    /// Reads inside the value, which is known to be valid.
    private func look<Result>(_ body: (inout JSONScanner) throws(JSONFault) -> Result) -> Result {
        storage.withByteView { view in
            var scanner = JSONScanner(view.prefix(bounds.upperBound), depthMax: Self.depthMax)
            scanner.position = bounds.lowerBound
            do throws(JSONFault) {
                return try body(&scanner)
            } catch {
                preconditionFailure("the value was not scanned: \(error)")
            }
        }
    }
}
