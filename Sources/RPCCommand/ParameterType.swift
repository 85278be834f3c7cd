import JSON
import RPCClient

/// The kinds of JSON value that a schema admits.
struct ParameterType: OptionSet {
    let rawValue: Int

    static let null = ParameterType(rawValue: 1)
    static let boolean = ParameterType(rawValue: 2)
    static let integer = ParameterType(rawValue: 4)
    static let number = ParameterType(rawValue: 8)
    static let string = ParameterType(rawValue: 16)
    static let array = ParameterType(rawValue: 32)
    static let object = ParameterType(rawValue: 64)
    /// A schema that leaves the kind open: the parameter is any JSON.
    static let any = ParameterType(rawValue: 127)

    private static let names: KeyValuePairs<String, ParameterType> = [
        "null": .null, "boolean": .boolean, "integer": .integer, "number": .number, "string": .string,
        "array": .array, "object": .object,
    ]

    init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// Reads a JSON Schema; what it does not say in a way known here it leaves open.
    init(schema: JSONFragment?) {
        guard let schema else {
            self = .any
            return
        }
        let read = Self.read(schema)
        self = read.isEmpty ? .any : read
    }

    private static func read(_ schema: JSONFragment) -> ParameterType {
        if let type = schema["type"] {
            let words = type.kind == .array ? type.elements : [type]
            return words.reduce([]) { $0.union(named($1.string ?? "")) }
        }
        if let alternatives = schema["oneOf"] ?? schema["anyOf"] {
            return alternatives.elements.reduce([]) { $0.union(ParameterType(schema: $1)) }
        }
        if let values = schema["enum"] {
            return values.elements.reduce([]) { $0.union(kind(of: $1)) }
        }
        return schema["const"].map { kind(of: $0) } ?? .any
    }

    /// The kinds in words, such as `string or null`.
    var words: String {
        if self == .any { return "any JSON" }
        return Self.names.filter { contains($0.value) }.map(\.key).reversed().joined(separator: " or ")
    }

    private static func named(_ name: String) -> ParameterType {
        names.first { $0.key == name }?.value ?? []
    }

    private static func kind(of value: JSONFragment) -> ParameterType {
        switch value.kind {
        case .null: .null
        case .true, .false: .boolean
        case .number: value.integer == nil ? .number : .integer
        case .string: .string
        case .array: .array
        case .object: .object
        }
    }
}
