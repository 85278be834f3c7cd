import Bytes
public import JSON

/// One parameter of a request.
public struct Argument {
    /// The member's name; of no bytes where parameters came by position.
    public let name: JSONString
    /// The value as written.
    public internal(set) var value: JSONValue
}

/// The parameters of a request, by name or by position, lent for the length of a call.
@safe
public struct Arguments {
    /// How the parameters came.
    public enum Form {
        /// The request has no `params`.
        case absent
        /// As an object.
        case named
        /// As an array.
        case positional
    }

    /// Most parameters that are kept; no method has as many.
    public static let countMax = 64

    /// How the parameters came.
    public let form: Form
    /// How many are kept, 0...``countMax``.
    public let count: Int
    /// Whether there were more than are kept.
    public let isTruncated: Bool
    private let base: UnsafePointer<Argument>

    @unsafe
    init(form: Form, base: UnsafePointer<Argument>, count: Int, isTruncated: Bool) {
        self.form = form
        unsafe self.base = base
        self.count = count
        self.isTruncated = isTruncated
    }

    /// Bytes of the names and values of all that are kept.
    public var byteCount: Int {
        var bytes = 0
        for index in 0..<count { bytes += self[index].name.raw.count + self[index].value.text.count }
        return bytes
    }

    /// The parameter at `index`, 0 ..< `count`, in the order written.
    public subscript(_ index: Int) -> Argument {
        assert(index >= 0 && index < count)
        return unsafe base[index]
    }
}
