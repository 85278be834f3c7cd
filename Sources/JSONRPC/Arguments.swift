package import JSON

/// One parameter of a request.
package struct Argument {
    /// The member's name; of no bytes where parameters came by position.
    package let name: JSONString
    /// The value as written.
    package let value: JSONValue
}

/// The parameters of a request, by name or by position, lent for the length of a call.
@safe
package struct Arguments {
    /// How the parameters came.
    package enum Form {
        /// The request has no `params`.
        case absent
        /// As an object.
        case named
        /// As an array.
        case positional
    }

    /// Most parameters that are kept; no method has as many.
    package static let countMax = 64

    /// How the parameters came.
    package let form: Form
    /// How many are kept, 0...``countMax``.
    package let count: Int
    /// Whether there were more than are kept.
    package let isTruncated: Bool
    private let base: UnsafePointer<Argument>

    @unsafe
    init(form: Form, base: UnsafePointer<Argument>, count: Int, isTruncated: Bool) {
        self.form = form
        unsafe self.base = base
        self.count = count
        self.isTruncated = isTruncated
    }

    /// The parameter at `index`, 0 ..< `count`, in the order written.
    package subscript(_ index: Int) -> Argument {
        assert(index >= 0 && index < count)
        return unsafe base[index]
    }
}
