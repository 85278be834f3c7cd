import JSON
import RPCClient

/// One method as the contract describes it: an OpenRPC method object.
struct MethodDescription {
    /// The method object, as written.
    let document: JSONFragment
    /// Name of the method, such as `cache.get`.
    let name: String
    /// What it does, in one line.
    let summary: String
    /// How long the agent works on a call that says nothing about it, its own waiting aside; nil where that is unknown.
    let deadline: Duration?
    /// Its parameters in the order of the contract.
    let parameters: [Parameter]

    /// Reads a method object; nil where it has no name.
    init?(_ document: JSONFragment) {
        guard let name = document["name"]?.string else { return nil }
        self.document = document
        self.name = name
        summary = document["summary"]?.string ?? ""
        deadline = document["x-deadline_ms"]?.integer.map { .milliseconds($0) }
        parameters = (document["params"]?.elements ?? []).compactMap { Parameter($0) }
    }

    /// Describes what `--timeout` and traces use, which every method takes.
    private static let meta = Parameter(name: "_meta")

    /// Whether its result names a subscription, whose messages follow.
    var isSubscription: Bool { document["result"]?["schema"]?["properties"]?["subscription"] != nil }

    /// The parameter called `name`, or nil.
    func parameter(_ name: String) -> Parameter? {
        parameters.first { $0.name == name } ?? (name == Self.meta.name ? Self.meta : nil)
    }
}

/// One parameter of a method.
struct Parameter {
    /// Its name.
    let name: String
    /// Whether a call needs it.
    let isRequired: Bool
    /// What it means.
    let description: String
    /// The JSON Schema of its values, where there is one.
    let schema: JSONFragment?
    /// The kinds of value that it takes.
    let type: ParameterType
    /// Whether it takes an array of strings, so that one string can stand for an array of one.
    let takesStrings: Bool

    /// A parameter of which only the name is known: it takes any JSON.
    init(name: String) {
        self.name = name
        isRequired = false
        description = ""
        schema = nil
        type = .any
        takesStrings = false
    }

    /// Reads an OpenRPC content descriptor; nil where it has no name.
    init?(_ document: JSONFragment) {
        guard let name = document["name"]?.string else { return nil }
        let schema = document["schema"]
        self.name = name
        isRequired = document["required"]?.kind == .true
        description = document["description"]?.string ?? schema?["description"]?.string ?? ""
        self.schema = schema
        type = ParameterType(schema: schema)
        takesStrings = Self.takesStrings(schema)
    }

    private static func takesStrings(_ schema: JSONFragment?) -> Bool {
        guard let schema, ParameterType(schema: schema).contains(.array) else { return false }
        if let alternatives = schema["oneOf"] ?? schema["anyOf"] {
            return alternatives.elements.contains { takesStrings($0) }
        }
        return ParameterType(schema: schema["items"]).contains(.string)
    }
}
