import JSON

/// The contract as OpenRPC 1.3 describes it.
struct OpenRPCDocument {
    private let contract: ContractFiles

    /// Describes a contract.
    init(_ contract: ContractFiles) {
        self.contract = contract
    }

    /// The whole document: methods refer to schemas and errors that stand in `components`.
    func whole() throws(ProtoFault) -> Document {
        var methods: [Document] = []
        for method in contract.methods { methods.append(try describe(method, isInlined: false)) }
        var schemas = DocumentObject()
        for (name, schema) in contract.definitions.schemas { schemas[name] = linked(schema.place.document) }
        var errors = DocumentObject()
        for kind in contract.errors.kinds { errors[kind.kind] = describe(kind) }
        return [
            "openrpc": "1.3.2",
            "info": [
                "title": .string(contract.information.title),
                "version": .string(contract.information.version),
                "description": .string(contract.information.description),
            ],
            "methods": .array(methods),
            "components": ["schemas": .object(schemas), "errors": .object(errors)],
            "x-metadata": ["name": "_meta", "schema": ["$ref": "#/components/schemas/call_metadata"]],
        ]
    }

    /// One method by itself: schemas and errors stand where they are used.
    func alone(_ method: MethodFile) throws(ProtoFault) -> Document {
        try describe(method, isInlined: true)
    }

    private func describe(_ method: MethodFile, isInlined: Bool) throws(ProtoFault) -> Document {
        var params: [Document] = []
        for parameter in method.fields.parameters {
            params.append([
                "name": .string(parameter.name),
                "description": .string(parameter.description),
                "required": .boolean(parameter.isRequired),
                "schema": try schema(parameter.schema, isInlined),
            ])
        }
        var errors: [Document] = []
        for kind in contract.errors.kinds where method.errors.contains(kind.kind) {
            errors.append(isInlined ? describe(kind) : ["$ref": .string("#/components/errors/\(kind.kind)")])
        }
        let description: Document = [
            "name": .string(method.name),
            "summary": .string(method.summary),
            "description": .string(method.description),
            "paramStructure": "either",
            "params": .array(params),
            "result": [
                "name": "result",
                "description": .string(method.resultDescription),
                "schema": try schema(method.result, isInlined),
            ],
            "errors": .array(errors),
            "examples": .array(try examples(method)),
            "x-idempotency": .string(method.idempotency.rawValue),
            "x-since": .string(method.since),
            "x-deadline_ms": .integer(method.deadlineMilliseconds),
        ]
        guard var members = description.object else { return description }
        if !method.fields.rules.isEmpty { members["x-rules"] = .array(method.fields.rules.map(describe)) }
        if method.isOperator { members["x-operator"] = true }
        if !method.operatorParameters.isEmpty {
            members["x-operator"] = .array(method.operatorParameters.map { .string($0) })
        }
        return .object(members)
    }

    private func schema(_ schema: Schema, _ isInlined: Bool) throws(ProtoFault) -> Document {
        isInlined ? try contract.definitions.inlined(schema.place) : linked(schema.place.document)
    }

    /// The same schema, with references into this document.
    private func linked(_ document: Document) -> Document {
        switch document {
        case .object(let members):
            var object = DocumentObject()
            for member in members {
                let target = member.name == "$ref" ? member.value.string : nil
                object[member.name] =
                    target.map { .string($0.replacing("definitions.json#/", with: "#/components/schemas/")) }
                    ?? linked(member.value)
            }
            return .object(object)
        case .array(let elements):
            return .array(elements.map(linked))
        default:
            return document
        }
    }

    private func describe(_ kind: ErrorFile.Kind) -> Document {
        [
            "code": .integer(kind.code),
            "message": .string(kind.summary),
            "data": [
                "kind": .string(kind.kind), "retryable": .boolean(kind.isRetryable), "when": .string(kind.when),
            ],
        ]
    }

    private func describe(_ rule: Fields.Rule) -> Document {
        let names = Document.array(rule.names.map { .string($0) })
        switch rule {
        case .exactlyOne: return ["exactly_one": names]
        case .atLeastOne: return ["at_least_one": names]
        case .notBoth: return ["at_most_one": names]
        }
    }

    /// Examples that end with a result: OpenRPC has no others.
    private func examples(_ method: MethodFile) throws(ProtoFault) -> [Document] {
        var examples: [Document] = []
        for example in method.examples {
            guard case .result(let result) = example.outcome else { continue }
            let params = try Example.named(example.params, method.fields).map { name, place -> Document in
                ["name": .string(name), "value": place.document]
            }
            examples.append([
                "name": .string(example.name),
                "params": .array(params),
                "result": ["name": "result", "value": result.document],
            ])
        }
        return examples
    }
}
