import JSON

/// Why the parameters of a call are not those of its method (JSON-RPC error -32602).
///
/// Neither member quotes a value that the caller sent.
public struct InvalidParameters: Error, Equatable, CustomStringConvertible {
    /// The parameter at fault, such as `key`, `entries[3].ttl_ms` or, beyond the last position, `[4]`.
    public let parameter: String
    /// What it must be, in words that follow the parameter's name.
    public let requirement: String

    /// Records that `parameter` does not meet a requirement, such as "must be a string".
    public init(_ parameter: String, _ requirement: String) {
        self.parameter = parameter
        self.requirement = requirement
    }

    /// The whole sentence without a full stop, such as `ttl_ms must be an integer of at least 1`.
    public var message: String { "\(parameter) \(requirement)" }

    /// The same as ``message``.
    public var description: String { message }
}

extension InvalidParameters {
    /// A required parameter is not there.
    static func missing(_ name: StaticString) -> InvalidParameters {
        InvalidParameters("\(name)", "is required")
    }

    /// A parameter is there a second time.
    static func repeated(_ name: StaticString) -> InvalidParameters {
        InvalidParameters("\(name)", "is given twice")
    }

    /// No parameter has this name.
    static func unknown(_ name: JSONString) -> InvalidParameters {
        InvalidParameters(name.decoded(), "is not a parameter of this method")
    }

    /// Of several parameters, none or more than one is given.
    ///
    /// - Parameters:
    ///   - first: The first of them.
    ///   - others: The others, such as "or text or base64".
    /// - Returns: The error, which names the first.
    static func notExactlyOne(_ first: StaticString, _ others: StaticString) -> InvalidParameters {
        InvalidParameters("\(first)", "\(others) must be given, and only one of them")
    }

    /// Of several parameters, none is given.
    static func none(_ first: StaticString, _ others: StaticString) -> InvalidParameters {
        InvalidParameters("\(first)", "\(others) must be given")
    }

    /// Of several parameters, more than one is given.
    static func notTogether(_ first: StaticString, _ others: StaticString) -> InvalidParameters {
        InvalidParameters("\(first)", "\(others) cannot be given together")
    }

    /// The same fault of a member of the element at `index` of the list called `list`.
    func within(_ list: StaticString, at index: Int) -> InvalidParameters {
        InvalidParameters("\(list)[\(index)].\(parameter)", requirement)
    }
}
