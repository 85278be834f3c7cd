import JSON

/// One parameter of a method, or one member of an object within one.
struct Parameter {
    /// How it is decoded.
    enum Form {
        /// Any JSON.
        case json
        /// Text that follows a rule of the decoder.
        case string(rule: String)
        /// One of a few words.
        case choice([String])
        /// An integer of a range.
        case integer(ClosedRange<Int64>)
        /// An integer of a range, or null.
        case nullableInteger(ClosedRange<Int64>)
        /// A number of any form.
        case number
        /// A truth value.
        case boolean
        /// An object with at least so many members.
        case object(members: Int)
        /// An array of any JSON.
        case array(count: ClosedRange<Int>)
        /// An array of strings that follow a rule.
        case strings(count: ClosedRange<Int>, rule: String)
        /// An array of objects with these members.
        case objects(count: ClosedRange<Int>, Fields)
    }

    /// Name on the wire.
    let name: String
    /// What it means, one sentence or more.
    let description: String
    /// Whether it must be given.
    let isRequired: Bool
    /// Its schema as written.
    let schema: Schema
    /// How it is decoded.
    let form: Form
    /// What stands for it when it is not given.
    let defaultValue: Document?

    /// Makes a parameter, given its name and schema; where `description` is nil, the schema must say what it means.
    init(
        name: String,
        description: String?,
        isRequired: Bool,
        schema: Schema,
        _ definitions: Definitions
    ) throws(ProtoFault) {
        let meaning = try definitions.resolve(schema)
        let description = description ?? meaning.description
        guard !description.isEmpty else { throw schema.place.fault("needs a description") }
        self.name = name
        self.description = description
        self.isRequired = isRequired
        self.schema = schema
        form = try Form(meaning, definitions)
        defaultValue = meaning.defaultValue
        if let defaultValue {
            guard !isRequired else { throw schema.place.fault("is required and has a default") }
            if let objection = try meaning.objection(to: defaultValue, definitions) {
                throw schema.place.fault("the default \(objection)")
            }
        }
    }

    /// Whether null is one of its values.
    var isNullable: Bool {
        switch form {
        case .json, .nullableInteger: true
        default: false
        }
    }
}

extension Parameter.Form {
    /// Finds the decoding for `schema`, which is no reference.
    fileprivate init(_ schema: Schema, _ definitions: Definitions) throws(ProtoFault) {
        switch schema.types {
        case []: self = .json
        case ["string"]: self = try Self.text(schema)
        case ["integer"]: self = .integer(schema.range)
        case ["integer", "null"]: self = .nullableInteger(schema.range)
        case ["number"]: self = .number
        case ["boolean"]: self = .boolean
        case ["object"] where schema.members.isEmpty && schema.isOpen: self = .object(members: schema.memberCountMin)
        case ["array"]: self = try Self.list(schema, definitions)
        default: throw schema.place.fault("no decoding is written for this type")
        }
    }

    private static func text(_ schema: Schema) throws(ProtoFault) -> Self {
        guard let choices = schema.choices else { return .string(rule: try rule(schema)) }
        var words: [String] = []
        for choice in choices {
            guard let word = choice.string else { throw schema.place.fault("every choice must be a string") }
            words.append(word)
        }
        return .choice(words)
    }

    /// The rule of the decoder that stands for what the schema says of a string.
    private static func rule(_ schema: Schema) throws(ProtoFault) -> String {
        switch (schema.pattern, schema.isBase64, schema.isNonEmpty, schema.isShort) {
        case (nil, false, false, false): return "any"
        case (nil, false, true, false): return "nonEmpty"
        case (nil, false, true, true): return "identifier"
        case (nil, true, false, false): return "base64"
        case ("^[a-z0-9_.-]{1,64}$", false, false, false): return "namespace"
        default: throw schema.place.fault("no check is written for what this asks of a string")
        }
    }

    private static func list(_ schema: Schema, _ definitions: Definitions) throws(ProtoFault) -> Self {
        guard schema.elementCount.upperBound < Int.max else { throw schema.place.fault("needs maxItems") }
        guard let items = schema.elements.first else { return .array(count: schema.elementCount) }
        let element = try definitions.resolve(items)
        switch element.types {
        case ["string"] where element.choices == nil:
            return .strings(count: schema.elementCount, rule: try rule(element))
        case ["object"] where !element.members.isEmpty && !element.isOpen:
            return .objects(count: schema.elementCount, try Fields(element, definitions))
        default:
            throw items.place.fault("no decoding is written for lists of this")
        }
    }
}
