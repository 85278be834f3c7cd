import JSON

/// Writes what the decoding of a call's parameters and that of an object within them have in common.
struct FieldsSource {
    /// Variables that count, one for each rule that exactly one is given.
    static let counters = ["given", "otherGiven"]

    private let fields: Fields
    private let place: Place

    /// Writes for `fields`, which stand at `place`.
    init(_ fields: Fields, place: Place) {
        self.fields = fields
        self.place = place
    }

    /// Refuses names that the decoding uses for itself.
    func checkNames() throws(ProtoFault) {
        let taken = ["arguments", "argument", "index", "position", "member", "members", "object"] + Self.counters
        for parameter in fields.parameters where taken.contains(parameter.name) {
            throw place.fault("the decoding has a variable called \(parameter.name) itself")
        }
    }

    /// Writes a property for each parameter.
    func writeProperties(_ source: inout SourceText) {
        for parameter in fields.parameters {
            source.documentation(parameter.description)
            source.line("public let \(swiftName(parameter)): \(propertyType(parameter))")
        }
    }

    /// Writes a variable for each parameter, which waits for its value.
    func writeVariables(_ source: inout SourceText) {
        for parameter in fields.parameters {
            if case .nullableInteger = parameter.form {
                source.line("var \(swiftName(parameter)) = NullableInteger.absent")
            } else {
                source.line("var \(swiftName(parameter)): \(typeName(parameter))?")
            }
        }
    }

    /// Writes a case for each parameter that decodes `value` into its variable.
    func writeCases(of value: String, _ source: inout SourceText) {
        for (position, parameter) in fields.parameters.enumerated() {
            let target = "into: &\(swiftName(parameter)), named: \"\(parameter.name)\""
            let call =
                switch parameter.form {
                case .json, .choice, .boolean: "decode(\(target))"
                case .string(let rule): "decode(\(target), .\(rule))"
                case .integer(let range), .nullableInteger(let range): "decode(\(target), in: \(literal(range)))"
                case .number: "decodeNumber(\(target))"
                case .array(let count): "decodeArray(\(target), count: \(literal(count)))"
                case .object(let minimum): "decodeObject(\(target), members: \(minimum))"
                case .strings(let count, let rule): "decode(\(target), count: \(literal(count)), each: .\(rule))"
                case .objects(let count, _): "decode(\(target), count: \(literal(count)))"
                }
            source.switchCase("case \(position):", "try \(value).\(call)")
        }
    }

    /// Writes the checks of what is there and the assignments to the properties.
    func writeConclusion(_ source: inout SourceText) {
        for parameter in fields.parameters where parameter.isRequired {
            let name = swiftName(parameter)
            if case .nullableInteger = parameter.form {
                source.line("guard \(name) != .absent else { throw .missing(\"\(parameter.name)\") }")
            } else {
                source.line("guard let \(name) else { throw .missing(\"\(parameter.name)\") }")
            }
        }
        var counters = Self.counters[...]
        for rule in fields.rules { write(rule, counting: &counters, &source) }
        for parameter in fields.parameters {
            let name = swiftName(parameter)
            let value = parameter.defaultValue.map { "\(name) ?? \(literal($0, parameter))" } ?? name
            source.line("self.\(name) = \(value)")
        }
    }

    /// Writes the function that finds a parameter by name.
    func writePositions(_ source: inout SourceText) {
        source.line("/// Position of the parameter called `name`, or -1.")
        source.block("private static func position(of name: JSONString) -> Int") { source in
            for (position, parameter) in fields.parameters.enumerated() {
                source.line("if name.equals(\"\(parameter.name)\") { return \(position) }")
            }
            source.line("return -1")
        }
    }

    private func write(
        _ rule: Fields.Rule,
        counting counters: inout ArraySlice<String>,
        _ source: inout SourceText
    ) {
        let first = rule.names[0]
        let others = rule.names.dropFirst().map { "or \($0)" }.joined(separator: " ")
        switch rule {
        case .exactlyOne(let names):
            guard let counter = counters.popFirst() else { preconditionFailure("the fields were not checked") }
            for (index, name) in names.enumerated() {
                source.line("\(index == 0 ? "var \(counter) =" : "\(counter) +=") \(isGiven(name)) ? 1 : 0")
            }
            source.line("guard \(counter) == 1 else { throw .notExactlyOne(\"\(first)\", \"\(others)\") }")
        case .atLeastOne(let names):
            let condition = names.map(isGiven).joined(separator: " || ")
            source.guardStatement(condition, orElse: "throw .none(\"\(first)\", \"\(others)\")")
        case .notBoth(_, let second):
            let condition = "\(isGiven(first)), \(isGiven(second))"
            source.line("if \(condition) { throw .notTogether(\"\(first)\", \"and \(second)\") }")
        }
    }

    private func isGiven(_ name: String) -> String {
        guard let parameter = fields.parameters.first(where: { $0.name == name }) else { return "false" }
        switch parameter.form {
        // Without a default, false says something too.
        case .boolean where parameter.defaultValue != nil: return "\(swiftName(parameter)) == true"
        case .nullableInteger: return "\(swiftName(parameter)) != .absent"
        default: return "\(swiftName(parameter)) != nil"
        }
    }

    private func swiftName(_ parameter: Parameter) -> String { SwiftName.member(parameter.name) }

    /// The Swift expression for a default.
    private func literal(_ value: Document, _ parameter: Parameter) -> String {
        if case .choice = parameter.form, let word = value.string { return "." + SwiftName.member(word) }
        return value.integer.map { SourceText.number($0) } ?? value.text(style: .compact)
    }

    private func propertyType(_ parameter: Parameter) -> String {
        if case .nullableInteger = parameter.form { return typeName(parameter) }
        let isAlwaysThere = parameter.isRequired || parameter.defaultValue != nil
        return typeName(parameter) + (isAlwaysThere ? "" : "?")
    }

    private func typeName(_ parameter: Parameter) -> String {
        switch parameter.form {
        case .json, .number, .array, .object: "JSONValue"
        case .string: "JSONString"
        case .choice: SwiftName.type(parameter.name)
        case .integer: "Int64"
        case .nullableInteger: "NullableInteger"
        case .boolean: "Bool"
        case .strings: "StringList"
        case .objects: "ObjectList<\(SwiftName.singularType(parameter.name))>"
        }
    }

    private func literal(_ range: ClosedRange<Int64>) -> String {
        let least = range.lowerBound == .min ? "Int64.min" : SourceText.number(range.lowerBound)
        let most = range.upperBound == .max ? "Int64.max" : SourceText.number(range.upperBound)
        return "\(least)...\(most)"
    }

    private func literal(_ range: ClosedRange<Int>) -> String {
        "\(SourceText.number(Int64(range.lowerBound)))...\(SourceText.number(Int64(range.upperBound)))"
    }
}
