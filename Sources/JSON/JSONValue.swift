public import Bytes

/// A JSON value that was scanned: its kind, and its text as written.
public struct JSONValue {
    /// What it is.
    public let kind: JSONKind
    /// The value's own text, without white space around it; a string has its quotes.
    public let text: ByteView
    @usableFromInline let hasEscapes: Bool

    init(kind: JSONKind, text: ByteView, hasEscapes: Bool) {
        self.kind = kind
        self.text = text
        self.hasEscapes = hasEscapes
    }

    /// The string, or nil for another kind.
    @inlinable public var string: JSONString? {
        guard kind == .string else { return nil }
        return JSONString(raw: text[1..<(text.count - 1)], hasEscapes: hasEscapes)
    }

    /// The truth value, or nil for another kind.
    public var boolean: Bool? {
        switch kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// The number, where it is written as an integer without fraction or exponent and fits 64 signed bits; else nil.
    public var integer: Int64? {
        kind == .number ? text.integer : nil
    }

    /// The array's elements; none for another kind.
    public func elements() -> JSONElements { JSONElements(self) }

    /// The object's members in the order written; none for another kind.
    public func members() -> JSONMembers { JSONMembers(self) }
}

/// Goes through the elements of an array that was scanned.
public struct JSONElements {
    private var scanner: JSONScanner
    private var isAtEnd: Bool

    init(_ array: JSONValue) {
        scanner = JSONScanner(array.text, depthMax: .max)
        isAtEnd = array.kind != .array
        guard !isAtEnd else { return }
        scanner.position = 1
        scanner.skipWhiteSpace()
        isAtEnd = scanner.accept(UInt8(ascii: "]"))
    }

    /// The next element, or nil after the last.
    public mutating func next() -> JSONValue? {
        if isAtEnd { return nil }
        do throws(JSONFault) {
            let value = try scanner.scanValue(depth: 0)
            isAtEnd = try scanner.passSeparator(end: UInt8(ascii: "]"))
            return value
        } catch {
            preconditionFailure("the array was not scanned: \(error)")
        }
    }
}

/// Goes through the members of an object that was scanned.
public struct JSONMembers {
    private var scanner: JSONScanner
    private var isAtEnd: Bool

    init(_ object: JSONValue) {
        scanner = JSONScanner(object.text, depthMax: .max)
        isAtEnd = object.kind != .object
        guard !isAtEnd else { return }
        scanner.position = 1
        scanner.skipWhiteSpace()
        isAtEnd = scanner.accept(UInt8(ascii: "}"))
    }

    /// The next member's name and value, or nil after the last.
    public mutating func next() -> (name: JSONString, value: JSONValue)? {
        if isAtEnd { return nil }
        do throws(JSONFault) {
            let name = try scanner.scanString()
            try scanner.passColon()
            let value = try scanner.scanValue(depth: 0)
            isAtEnd = try scanner.passSeparator(end: UInt8(ascii: "}"))
            return (name, value)
        } catch {
            preconditionFailure("the object was not scanned: \(error)")
        }
    }
}
