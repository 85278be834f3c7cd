import JSON
import RPCClient

/// A skeleton of a method's params: every parameter with its default, or with an empty value of its kind.
enum ParamsTemplate {
    /// The skeleton of `method`: what is needed first, then the rest, each in the order of the contract.
    static func text(_ method: MethodDescription) -> JSONFragment? {
        let parameters = method.parameters.filter(\.isRequired) + method.parameters.filter { !$0.isRequired }
        let members = parameters.map { "\(JSONFragment(string: $0.name).text):\(placeholder($0))" }
        return JSONFragment("{\(members.joined(separator: ","))}")
    }

    private static func placeholder(_ parameter: Parameter) -> String {
        if let schema = parameter.schema {
            let candidates = [schema["default"], schema["examples"]?.elements.first, schema["enum"]?.elements.first]
            if let value = candidates.compactMap(\.self).first { return value.text }
        }
        let type = parameter.type
        if type == .any { return "null" }
        if type.contains(.string) { return "\"\"" }
        if !type.isDisjoint(with: [.integer, .number]) { return parameter.schema?["minimum"]?.text ?? "0" }
        if type.contains(.boolean) { return "false" }
        if type.contains(.object) { return "{}" }
        if type.contains(.array) { return "[]" }
        return "null"
    }
}
