import JSON

/// What a call, or an object within one, may and must hold.
struct Fields {
    /// A condition on several parameters; a boolean counts as given where it is true.
    enum Rule {
        /// One of them is given, and only one.
        case exactlyOne([String])
        /// One of them is given, or more.
        case atLeastOne([String])
        /// Not both are given.
        case notBoth(String, String)

        /// The parameters that it speaks of.
        var names: [String] {
            switch self {
            case .exactlyOne(let names), .atLeastOne(let names): names
            case .notBoth(let first, let second): [first, second]
            }
        }
    }

    /// The parameters, in the order of their positions.
    let parameters: [Parameter]
    /// What holds between them.
    let rules: [Rule]

    /// Reads `params` and `rules` of a method file.
    init(params: Place, rules: Place?, _ definitions: Definitions) throws(ProtoFault) {
        var parameters: [Parameter] = []
        for place in try params.elements() {
            let parameter = try Self.parameter(place, definitions)
            if parameters.contains(where: { $0.name == parameter.name }) { throw place.fault("is there twice") }
            // OpenRPC 1.3, Method Object: required parameters come first.
            if parameter.isRequired, parameters.contains(where: { !$0.isRequired }) {
                throw place.fault("is required, but stands behind one that is not")
            }
            parameters.append(parameter)
        }
        self.parameters = parameters
        var list: [Rule] = []
        for place in try rules?.elements() ?? [] {
            list.append(try Self.rule(place, among: parameters))
        }
        self.rules = list
        try checkRules(at: params)
    }

    /// Takes an object schema's members for parameters.
    init(_ schema: Schema, _ definitions: Definitions) throws(ProtoFault) {
        var parameters: [Parameter] = []
        for (name, member) in schema.members {
            parameters.append(
                try Parameter(
                    name: name,
                    description: nil,
                    isRequired: schema.requiredMembers.contains(name),
                    schema: member,
                    definitions
                )
            )
        }
        self.parameters = parameters
        rules = schema.alternatives.isEmpty ? [] : [.exactlyOne(schema.alternatives)]
        try checkRules(at: schema.place)
    }

    private static func parameter(_ place: Place, _ definitions: Definitions) throws(ProtoFault) -> Parameter {
        let members = try place.members(required: ["name", "required", "schema"], optional: ["description"])
        guard let name = members["name"], let required = members["required"], let schema = members["schema"] else {
            throw place.fault("is not complete")
        }
        return try Parameter(
            name: try name.string(),
            description: try members["description"]?.sentence(),
            isRequired: try required.boolean(),
            schema: try Schema(schema),
            definitions
        )
    }

    private static func rule(_ place: Place, among parameters: [Parameter]) throws(ProtoFault) -> Rule {
        let members = try place.members(required: [], optional: ["exactly_one", "at_least_one", "at_most_one"])
        guard let (word, value) = members.first, members.count == 1 else { throw place.fault("must be one rule") }
        let names = try value.names()
        guard names.count >= 2 else { throw value.fault("must name two parameters or more") }
        for name in names where !parameters.contains(where: { $0.name == name && !$0.isRequired }) {
            throw value.fault("\(name) is not an optional parameter")
        }
        switch word {
        case "exactly_one": return .exactlyOne(names)
        case "at_least_one": return .atLeastOne(names)
        default:
            guard names.count == 2 else { throw value.fault("must name two parameters") }
            return .notBoth(names[0], names[1])
        }
    }

    private func checkRules(at place: Place) throws(ProtoFault) {
        let counting = rules.count { if case .exactlyOne = $0 { true } else { false } }
        guard counting <= FieldsSource.counters.count else {
            throw place.fault("no decoding is written for so many rules of exactly one")
        }
    }
}
