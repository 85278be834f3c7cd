public import Bytes

/// A reply of Valkey, lent until the receiver returns.
public struct Reply {
    /// What a reply is in RESP2.
    public enum Kind {
        /// A short text such as `OK`.
        case status
        /// An error; its first word is its code.
        case error
        /// A 64-bit signed integer.
        case integer
        /// A string of any bytes.
        case bulk
        /// Nothing: no such key, or a condition that did not hold.
        case null
        /// A sequence of replies.
        case array
        /// An array larger than the limit, whose content was passed over.
        case tooLarge
    }

    /// What the reply is.
    public let kind: Kind
    /// The text or bytes of a status, error or bulk reply; else of no bytes.
    public let bytes: ByteView
    /// The value of an integer reply, the number of elements of an array; else 0.
    public let integer: Int64
    /// The array's elements and what stands at them.
    private let tree: ReplyTree?
    private let index: Int

    init(kind: Kind, bytes: ByteView, integer: Int64, tree: ReplyTree?, index: Int) {
        self.kind = kind
        self.bytes = bytes
        self.integer = integer
        self.tree = tree
        self.index = index
    }

    /// An error whose text is `bytes`.
    static func refusal(_ bytes: ByteView) -> Reply {
        Reply(kind: .error, bytes: bytes, integer: 0, tree: nil, index: 0)
    }

    /// Goes through the elements of an array; none for another kind.
    public func elements() -> ReplyElements {
        ReplyElements(tree: tree, index: index + 1, count: kind == .array ? Int(integer) : 0)
    }

    /// Whether this is an error whose code is `word`, such as `NOSCRIPT`.
    public func isError(_ word: StaticString) -> Bool {
        guard kind == .error, bytes.hasPrefix(word) else { return false }
        return bytes.count == word.utf8CodeUnitCount || bytes[word.utf8CodeUnitCount] == UInt8(ascii: " ")
    }

    /// Whether this is an error by which a server refuses a command before it executes any of it, for the moment.
    var isRefusalBeforeExecution: Bool {
        guard kind == .error else { return false }
        let words: [StaticString] = [
            "LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "READONLY",
        ]
        return words.contains { isError($0) }
    }

    /// The first word of an error, such as `WRONGTYPE`.
    public var errorWord: String {
        bytes.prefix(bytes.firstIndex(of: UInt8(ascii: " ")) ?? bytes.count).text()
    }

    /// A copy that can be kept.
    public func copy() -> ReplyValue {
        switch kind {
        case .status: return .status(bytes.text())
        case .error: return .error(bytes.text())
        case .integer: return .integer(integer)
        case .bulk: return .bulk(bytes.copy())
        case .null: return .null
        case .tooLarge: return .error("\(ReplyValue.tooLargeMark)the reply is larger than the agent accepts")
        case .array:
            var values: [ReplyValue] = []
            var elements = elements()
            while let element = elements.next() { values.append(element.copy()) }
            return .array(values)
        }
    }
}

/// Goes through the elements of an array reply.
public struct ReplyElements {
    private let tree: ReplyTree?
    private var index: Int
    private var left: Int

    init(tree: ReplyTree?, index: Int, count: Int) {
        self.tree = tree
        self.index = index
        left = count
    }

    /// The next element, or nil after the last.
    public mutating func next() -> Reply? {
        guard left > 0, let tree else { return nil }
        left -= 1
        let reply = tree.reply(at: index)
        index = tree.end(of: index)
        return reply
    }
}

/// A reply that owns what it holds, for tasks that wait for it.
public enum ReplyValue: Equatable, Sendable {
    case status(String)
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    case null
    case array([ReplyValue])

    /// What an error begins with that stands for an array larger than the limit.
    static let tooLargeMark: StaticString = "TOOLARGE "

    /// Whether the text of an error stands for an array larger than the limit.
    ///
    /// - Parameter text: Text of ``ReplyValue/error(_:)``.
    /// - Returns: Whether it does; else it is Valkey's own.
    public static func isTooLarge(_ text: ByteView) -> Bool { text.hasPrefix(tooLargeMark) }

    /// The bytes of a bulk reply, or nil.
    public var bytes: [UInt8]? {
        if case .bulk(let bytes) = self { bytes } else { nil }
    }

    /// The elements of an array reply, or nil.
    public var elements: [ReplyValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The text of a bulk or status reply, or nil.
    public var text: String? {
        switch self {
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .status(let text): text
        case .error, .integer, .null, .array: nil
        }
    }

    /// The number of an integer reply, or nil.
    public var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }
}
