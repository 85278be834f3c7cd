import JSON
import RPCClient

/// The help of one method, for people: what it does, takes and returns, and calls to try.
enum MethodHelp {
    /// Writes the help of `method`.
    static func text(_ method: MethodDescription) -> String {
        var parts = ["\(method.name): \(method.summary)\n", "Usage: \(usage(method))\n"]
        if let description = method.document["description"]?.string, !description.isEmpty {
            parts.append(TextLayout.wrapped(description))
        }
        if let note = ConnectionLease.note(method) { parts.append(TextLayout.wrapped(note)) }
        if !method.parameters.isEmpty {
            parts.append("Parameters:\n" + method.parameters.map { entry($0) }.joined())
        }
        let members = members(method.document["result"]?["schema"])
        if !members.isEmpty {
            parts.append("Answer:\n" + members.joined())
        }
        let errors = (method.document["errors"]?.elements ?? []).compactMap { error($0) }
        if !errors.isEmpty {
            parts.append(TextLayout.wrapped("Errors: \(errors.joined(separator: ", "))."))
        }
        let examples = (method.document["examples"]?.elements ?? []).compactMap { example($0, of: method) }
        if !examples.isEmpty {
            parts.append("Examples:\n" + examples.joined())
        }
        parts.append("'rpc describe \(method.name)' prints all of it as JSON.\n")
        return parts.joined(separator: "\n")
    }

    private static func usage(_ method: MethodDescription) -> String {
        let words = method.parameters.map { $0.isRequired ? "\($0.name)=…" : "[\($0.name)=…]" }
        return (["rpc", method.name] + words).joined(separator: " ")
    }

    private static func entry(_ parameter: Parameter) -> String {
        var facts = [parameter.wanted]
        if parameter.isRequired { facts.append("needed") }
        if let value = parameter.schema?["default"] { facts.append("default \(value.text)") }
        if let values = parameter.schema?["enum"]?.elements {
            facts.append("one of \(values.map(\.text).joined(separator: ", "))")
        }
        return TextLayout.wrapped("\(parameter.name): \(facts.joined(separator: "; "))", indent: 2)
            + TextLayout.wrapped(parameter.description, indent: 6)
    }

    private static func members(_ schema: JSONFragment?) -> [String] {
        let required = schema?["required"]?.elements.compactMap(\.string) ?? []
        return (schema?["properties"]?.members ?? []).map { name, member in
            let type = ParameterType(schema: member).words
            let presence = required.contains(name) ? "" : "; not always there"
            return TextLayout.wrapped("\(name): \(type)\(presence)", indent: 2)
                + TextLayout.wrapped(member["description"]?.string ?? "", indent: 6)
        }
    }

    private static func error(_ error: JSONFragment) -> String? {
        guard let code = error["code"]?.text else { return nil }
        let kind = error["data"]?["kind"]?.string ?? error["message"]?.string
        return kind.map { "\($0) (\(code))" }
    }

    /// One example as it is typed into a shell.
    ///
    /// Those with params by position are left out: names say more.
    private static func example(_ example: JSONFragment, of method: MethodDescription) -> String? {
        guard let params = example["params"]?.elements else { return nil }
        var words = ["rpc", method.name]
        for param in params {
            guard let name = param["name"]?.string, let value = param["value"] else { return nil }
            words.append(word(name, value, method.parameter(name) ?? Parameter(name: name)))
        }
        return "  \(words.joined(separator: " "))\n"
    }

    /// A parameter as a word of a shell: plain where that is enough, else as JSON.
    static func word(_ name: String, _ value: JSONFragment, _ parameter: Parameter) -> String {
        let plain = value.string ?? value.text
        if let converted = try? parameter.convert([UInt8](plain.utf8)), converted.text == value.text,
            plain != "-", !plain.hasPrefix("@")
        {
            return "\(name)=\(quoted(plain))"
        }
        return "\(name):=\(quoted(value.text))"
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            byte > 0x2A && byte < 0x7B && ![UInt8](";<>?[\\]^`".utf8).contains(byte)
        }
        guard !isPlain || text.isEmpty else { return text }
        return "'\(text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}
