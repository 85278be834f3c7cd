/// A JSON document as a tree of owned values, for what is read whole and not on the request path: configuration, `proto/`
/// files, merge patches, and what the command line prints.
///
/// Members keep the order in which they were written. Numbers written as integers stay exact within 64 bits; others
/// are doubles. Two documents are equal when they say the same: strings byte for byte, objects without regard to order.
public enum Document: Sendable {
    case null
    case boolean(Bool)
    case integer(Int64)
    /// A number with a fraction or an exponent. Finite: JSON has no others.
    case real(Double)
    case string(String)
    case array([Document])
    case object(DocumentObject)
}

extension Document {
    /// The text, where the document is a string.
    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The number, where the document is one that was written as an integer.
    public var integer: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    /// The number, integers included; those beyond 2^53 are rounded.
    public var number: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .real(let number): number
        default: nil
        }
    }

    /// The truth value, where the document is one.
    public var boolean: Bool? {
        if case .boolean(let truth) = self { truth } else { nil }
    }

    /// The elements, where the document is an array.
    public var array: [Document]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members, where the document is an object.
    public var object: DocumentObject? {
        if case .object(let members) = self { members } else { nil }
    }

    /// Whether the document is `null`.
    public var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// The member called `name`, where the document is an object that has one.
    public subscript(name: String) -> Document? {
        object?[name]
    }

    /// The value that a JSON pointer leads to (RFC 6901), or nil where it leads nowhere.
    ///
    /// - Parameter pointer: Empty for the document itself, else `/name/0/…` with `~1` for `/` and `~0` for `~`.
    public subscript(pointer pointer: String) -> Document? {
        if pointer.isEmpty { return self }
        guard pointer.utf8.first == UInt8(ascii: "/") else { return nil }
        var current = self
        for token in pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let next = current.child(named: Self.unescaped(token)) else { return nil }
            current = next
        }
        return current
    }

    private func child(named token: String) -> Document? {
        switch self {
        case .object(let members):
            return members[token]
        case .array(let elements):
            // RFC 6901 section 4: digits without a leading zero, nothing else.
            guard let index = Int(token), String(index) == token, elements.indices.contains(index) else { return nil }
            return elements[index]
        default:
            return nil
        }
    }

    /// Replaces `~1` and `~0` in one pass, so that `~01` stays the two characters `~1`.
    private static func unescaped(_ token: Substring) -> String {
        guard token.contains("~") else { return String(token) }
        var text = ""
        var isEscape = false
        for character in token {
            switch (isEscape, character) {
            case (false, "~"): isEscape = true
            case (true, "1"): text.append("/")
            case (true, "0"): text.append("~")
            default: text.append(character)
            }
            if character != "~" { isEscape = false }
        }
        return text
    }
}

extension Document: Equatable {
    /// Whether both say the same; an integer never equals a real.
    public static func == (left: Document, right: Document) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.boolean(let left), .boolean(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.real(let left), .real(let right)): left == right
        // Swift compares strings by canonical equivalence; JSON knows only the characters themselves.
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }
}

extension Document: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    /// A string.
    public init(stringLiteral value: String) {
        self = .string(value)
    }
}

extension Document: ExpressibleByIntegerLiteral {
    /// An integer.
    public init(integerLiteral value: Int64) {
        self = .integer(value)
    }
}

extension Document: ExpressibleByFloatLiteral {
    /// A real number.
    public init(floatLiteral value: Double) {
        self = .real(value)
    }
}

extension Document: ExpressibleByBooleanLiteral {
    /// A truth value.
    public init(booleanLiteral value: Bool) {
        self = .boolean(value)
    }
}

extension Document: ExpressibleByArrayLiteral {
    /// An array.
    public init(arrayLiteral elements: Document...) {
        self = .array(elements)
    }
}

extension Document: ExpressibleByDictionaryLiteral {
    /// An object with its members in the order written; a name written twice is a programmer's error.
    public init(dictionaryLiteral elements: (String, Document)...) {
        var members = DocumentObject()
        for (name, value) in elements {
            precondition(members[name] == nil, "a name is written twice")
            members[name] = value
        }
        self = .object(members)
    }
}
