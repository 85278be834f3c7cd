import Bytes
public import Contract
public import JSON
public import JSONRPC

/// What a call speaks of, as far as a policy cares: its namespace, its names, and whether it asks for what only an
/// operator may do.
public struct Scope: Equatable, Sendable {
    /// The namespace, the empty text where none is given; nil for a method without one.
    public var namespace: String?
    /// The names given; nil for a method that takes none.
    public var names: [Name]?
    /// The parameter that makes the call one of an operator, such as `all`.
    public var operatorParameter: String?

    /// A name that a call speaks of.
    public enum Name: Equatable, Sendable {
        /// A name.
        case literal(String)
        /// A pattern over names.
        case pattern(String)
    }

    /// Describes a call.
    public init(namespace: String? = nil, names: [Name]? = nil, operatorParameter: String? = nil) {
        self.namespace = namespace
        self.names = names
        self.operatorParameter = operatorParameter
    }

    /// Parameters that name something which has no namespace.
    private static let nameParameters: [StaticString] = [
        "channel", "topic", "name", "election", "queue", "schedule", "series", "scope", "resource", "rule",
    ]

    /// Whether calls of `method` have something that a rule's namespaces can restrict.
    public static func hasNamespace(_ method: Method) -> Bool {
        method.parameterNames.contains { $0.isSame("namespace") }
    }

    /// Whether calls of `method` have something that a rule's names can restrict.
    public static func hasNames(_ method: Method) -> Bool {
        !hasNamespace(method) && method.parameterNames.contains { isName($0) || $0.isSame("pattern") }
    }

    private static func isName(_ parameter: StaticString) -> Bool {
        nameParameters.contains { $0.isSame(parameter) }
    }

    /// Reads what a call speaks of.
    ///
    /// A parameter of another kind than the method takes is passed over: the call fails when it is decoded.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - arguments: The call's parameters.
    public init(_ method: Method, _ arguments: Arguments) {
        self.init(of: method)
        let parameters = method.parameterNames
        for index in 0..<arguments.count {
            let argument = arguments[index]
            if arguments.form == .named {
                guard let parameter = parameters.first(where: { argument.name.equals($0) }) else { continue }
                read(parameter, argument.value, of: method)
            } else if index < parameters.count {
                read(parameters[index], argument.value, of: method)
            }
        }
    }

    /// Reads what a call would speak of.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - members: Its parameters by name, an object.
    public init(_ method: Method, members: JSONValue) {
        self.init(of: method)
        let parameters = method.parameterNames
        var members = members.members()
        while let (name, value) = members.next() {
            guard let parameter = parameters.first(where: { name.equals($0) }) else { continue }
            read(parameter, value, of: method)
        }
    }

    private init(of method: Method) {
        if Scope.hasNamespace(method) { namespace = "" }
        if Scope.hasNames(method) { names = [] }
    }

    private mutating func read(_ parameter: StaticString, _ value: JSONValue, of method: Method) {
        if value.kind == .true, method.operatorParameters.contains(where: { $0.isSame(parameter) }) {
            operatorParameter = "\(parameter)"
        }
        if namespace != nil {
            if parameter.isSame("namespace"), let text = value.string { namespace = text.decoded() }
        } else if names != nil {
            read(parameter, value)
        }
    }

    private mutating func read(_ parameter: StaticString, _ value: JSONValue) {
        let isPattern = parameter.isSame("pattern")
        guard isPattern || Scope.isName(parameter) else { return }
        if let text = value.string {
            names?.append(isPattern ? .pattern(text.decoded()) : .literal(text.decoded()))
        } else if value.kind == .array {
            var elements = value.elements()
            while let element = elements.next() {
                if let text = element.string { names?.append(.literal(text.decoded())) }
            }
        }
    }
}

extension StaticString {
    /// Whether both say the same.
    func isSame(_ other: StaticString) -> Bool {
        ByteView(self).equals(other)
    }
}
