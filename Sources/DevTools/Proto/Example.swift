import JSON

/// A call and its answer, which the tests make against a real agent.
struct Example {
    /// What the method answers.
    enum Outcome {
        /// This result.
        case result(Place)
        /// An error of this kind, with these members among its data.
        case error(kind: String, data: [(name: String, value: Document)])
    }

    /// A call that sets the stage.
    struct Call {
        /// Where it stands.
        let place: Place
        /// Name of the method.
        let method: String
        /// Its parameters, an object or an array.
        let params: Place
    }

    /// Where it stands.
    let place: Place
    /// What it shows.
    let name: String
    /// Calls that come before.
    let before: [Call]
    /// Parameters, an object or an array.
    let params: Place
    /// The answer.
    let outcome: Outcome
    /// JSON pointers to what differs from call to call within the result.
    let varies: [String]
    /// Parameters whose value is only an illustration: name, and JSON pointer into the result of the last call before.
    let takes: [(name: String, pointer: String)]

    /// Reads an example.
    init(_ place: Place) throws(ProtoFault) {
        let members = try place.members(
            required: ["name", "params"],
            optional: ["before", "takes", "result", "error", "varies"]
        )
        guard let name = members["name"], let params = members["params"] else { throw place.fault("is not complete") }
        self.place = place
        self.name = try name.string()
        self.params = params
        var before: [Call] = []
        for call in try members["before"]?.elements() ?? [] { before.append(try Self.call(call)) }
        self.before = before
        switch (members["result"], members["error"]) {
        case (let result?, nil): outcome = .result(result)
        case (nil, let error?): outcome = try Self.error(error)
        default: throw place.fault("must have either a result or an error")
        }
        var takes: [(name: String, pointer: String)] = []
        for (name, pointer) in try members["takes"]?.allMembers() ?? [] {
            guard !before.isEmpty, params.document[name] != nil else {
                throw place.fault("takes: \(name) is no parameter, or nothing comes before")
            }
            takes.append((name, try pointer.string()))
        }
        self.takes = takes
        varies = try members["varies"]?.names() ?? []
        for pointer in varies where members["result"]?.document[pointer: pointer] == nil {
            throw place.fault("varies: \(pointer) leads to nothing in the result")
        }
    }

    /// The parameters by name, those by position under the names that they stand for.
    ///
    /// - Parameters:
    ///   - call: Parameters of a call, an object or an array.
    ///   - fields: The parameters of the method that is called.
    /// - Returns: Name and value of those that are given, in the order written.
    /// - Throws: ``ProtoFault`` where there are more than the method has.
    static func named(_ call: Place, _ fields: Fields) throws(ProtoFault) -> [(name: String, place: Place)] {
        guard call.document.array != nil else { return try call.allMembers() }
        let elements = try call.elements()
        guard elements.count <= fields.parameters.count else { throw call.fault("has too many parameters") }
        return zip(fields.parameters, elements)
            .filter { $0.isNullable || !$1.document.isNull }
            .map { ($0.name, $1) }
    }

    /// Checks that a result follows the schemas of its method and that the parameters of such a call do.
    fileprivate static func check(_ call: Place, _ fields: Fields, _ definitions: Definitions) throws(ProtoFault) {
        let given = try named(call, fields)
        for (name, place) in given {
            guard let parameter = fields.parameters.first(where: { $0.name == name }) else {
                throw place.fault("is not a parameter")
            }
            if let objection = try parameter.schema.objection(to: place.document, definitions) {
                throw place.fault(objection)
            }
        }
        for parameter in fields.parameters where parameter.isRequired {
            guard given.contains(where: { $0.name == parameter.name }) else {
                throw call.fault("\(parameter.name) is missing")
            }
        }
    }

    private static func call(_ place: Place) throws(ProtoFault) -> Call {
        let members = try place.members(required: ["method", "params"])
        guard let method = members["method"], let params = members["params"] else {
            throw place.fault("is not complete")
        }
        return Call(place: place, method: try method.string(), params: params)
    }

    private static func error(_ place: Place) throws(ProtoFault) -> Outcome {
        let members = try place.members(required: ["kind"], optional: ["data"])
        guard let kind = members["kind"] else { throw place.fault("is not complete") }
        let data = try members["data"]?.allMembers() ?? []
        return .error(kind: try kind.string(), data: data.map { ($0.name, $0.place.document) })
    }
}

extension Example {
    /// Checks the example against the method that it is for.
    func check(_ method: MethodFile, _ definitions: Definitions) throws(ProtoFault) {
        switch outcome {
        case .result(let result):
            try Self.check(params, method.fields, definitions)
            if let objection = try method.result.objection(to: result.document, definitions) {
                throw result.fault(objection)
            }
        case .error(let kind, _):
            guard method.errors.contains(kind) else { throw place.fault("\(kind) is not among the method's errors") }
        }
    }

    /// Checks the calls that come before against their methods.
    func checkBefore(_ methods: [MethodFile], _ definitions: Definitions) throws(ProtoFault) {
        for call in before {
            guard let method = methods.first(where: { $0.name == call.method }) else {
                throw call.place.fault("\(call.method) is not a method")
            }
            try Self.check(call.params, method.fields, definitions)
        }
    }
}
