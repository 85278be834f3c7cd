import JSON

/// One method: a file `proto/<namespace>.<method>.json`.
struct MethodFile {
    /// What doing a call twice means.
    enum Idempotency: String {
        case read
        case idempotent
        case nonIdempotent = "non_idempotent"
    }

    /// What the file says, with its place for faults.
    let place: Place
    /// Name on the wire.
    let name: String
    /// What stands before the point in the name: the feature that the method belongs to.
    var group: String { String(name.prefix { $0 != "." }) }
    /// What stands behind the point in the name.
    var verb: String { String(name.drop { $0 != "." }.dropFirst()) }
    /// Version that had the method first.
    let since: String
    /// What it does, in one sentence.
    let summary: String
    /// Guarantees and round trips.
    let description: String
    /// What doing it twice means.
    let idempotency: Idempotency
    /// Whether only operators may call it.
    let isOperator: Bool
    /// Whether only those of them may call it to whom a policy grants it by its name.
    let isOnlyGrantedByName: Bool
    /// Boolean parameters that, where they are true, make a call one of an operator.
    let operatorParameters: [String]
    /// Bound on a call that brings none, in milliseconds.
    let deadlineMilliseconds: Int64
    /// Parameters and the rules between them.
    let fields: Fields
    /// What the result is.
    let resultDescription: String
    /// Schema of the result, an object.
    let result: Schema
    /// Kinds of the errors that it may answer with.
    let errors: [String]
    /// Calls that show it.
    let examples: [Example]

    /// Bound on a call whose method does not have its own, in milliseconds.
    static let deadlineDefault: Int64 = 5000

    /// Reads a file, everything in it but whether examples name methods that exist.
    init(_ place: Place, _ definitions: Definitions, _ kinds: ErrorFile) throws(ProtoFault) {
        let members = try place.members(
            required: [
                "$schema", "name", "since", "summary", "description", "idempotency", "params", "result", "errors",
                "examples",
            ],
            optional: ["deadline_ms", "operator", "rules"]
        )
        func member(_ name: String) throws(ProtoFault) -> Place {
            guard let member = members[name] else { throw place.fault("\(name) is missing") }
            return member
        }
        self.place = place
        name = try member("name").string()
        guard place.file == "proto/\(name).json" else { throw try member("name").fault("is not the file's") }
        since = try member("since").string()
        summary = try member("summary").sentence()
        description = try member("description").sentence()
        guard let idempotency = Idempotency(rawValue: try member("idempotency").string()) else {
            throw try member("idempotency").fault("must be read, idempotent or non_idempotent")
        }
        self.idempotency = idempotency
        isOnlyGrantedByName = members["operator"]?.document == "by_name"
        isOperator = isOnlyGrantedByName || members["operator"]?.document == true
        operatorParameters = isOperator ? [] : try members["operator"]?.names() ?? []
        deadlineMilliseconds = try members["deadline_ms"]?.integer() ?? Self.deadlineDefault
        fields = try Fields(params: try member("params"), rules: members["rules"], definitions)
        for parameter in operatorParameters where !fields.parameters.contains(where: { $0.name == parameter }) {
            throw try member("operator").fault("names no parameter: \(parameter)")
        }
        let result = try member("result").members(required: ["description", "schema"])
        guard let description = result["description"], let schema = result["schema"] else {
            throw try member("result").fault("is not complete")
        }
        resultDescription = try description.sentence()
        self.result = try Schema(schema)
        guard try definitions.resolve(self.result).types == ["object"] else { throw schema.fault("must be an object") }
        errors = try member("errors").names()
        for kind in errors where !kinds.kinds.contains(where: { $0.kind == kind }) {
            throw try member("errors").fault("\(kind) is not in \(ErrorFile.file)")
        }
        var examples: [Example] = []
        for place in try member("examples").elements() { examples.append(try Example(place)) }
        self.examples = examples
        for example in examples { try example.check(self, definitions) }
    }
}
