import JSON

extension Schema {
    /// Finds out why `document` does not follow the schema, which keeps the examples honest.
    ///
    /// - Parameters:
    ///   - document: The value to check.
    ///   - definitions: What references lead to.
    /// - Returns: What is wrong, or nil where the document follows the schema.
    /// - Throws: ``ProtoFault`` where a reference leads nowhere.
    func objection(to document: Document, _ definitions: Definitions) throws(ProtoFault) -> String? {
        if reference != nil { return try definitions.resolve(self).objection(to: document, definitions) }
        if !types.isEmpty, !types.contains(where: { document.isOf(type: $0) }) {
            return "must be of type \(types.joined(separator: " or "))"
        }
        if let choices, !choices.contains(document) { return "must be one of those listed" }
        switch document {
        case .integer(let number):
            return range.contains(number) ? nil : "must be from \(range.lowerBound) to \(range.upperBound)"
        case .string(let text):
            return isNonEmpty && text.isEmpty ? "must not be empty" : nil
        case .array(let array):
            return try objection(toElements: array, definitions)
        case .object(let object):
            return try objection(toMembers: object, definitions)
        case .null, .boolean, .real:
            return nil
        }
    }

    private func objection(toElements array: [Document], _ definitions: Definitions) throws(ProtoFault) -> String? {
        if !elementCount.contains(array.count) { return "must have another number of elements" }
        guard let schema = elements.first else { return nil }
        for (index, element) in array.enumerated() {
            if let objection = try schema.objection(to: element, definitions) { return "[\(index)] \(objection)" }
        }
        return nil
    }

    private func objection(toMembers object: DocumentObject, _ definitions: Definitions) throws(ProtoFault) -> String? {
        if object.count < memberCountMin { return "must have a member" }
        for name in requiredMembers where object[name] == nil { return "must have the member \(name)" }
        if !alternatives.isEmpty, alternatives.count(where: { object[$0] != nil }) != 1 {
            return "must have exactly one of \(alternatives.joined(separator: ", "))"
        }
        for member in object {
            let schema = members.first { $0.name == member.name }?.schema ?? otherMembers.first
            if schema == nil, !isOpen || !members.isEmpty { return "has \(member.name), which is not described" }
            if let objection = try schema?.objection(to: member.value, definitions) {
                return "\(member.name) \(objection)"
            }
        }
        return nil
    }
}

extension Document {
    /// Whether the value is of a type of JSON Schema.
    fileprivate func isOf(type: String) -> Bool {
        switch self {
        case .null: type == "null"
        case .boolean: type == "boolean"
        case .integer: type == "integer" || type == "number"
        case .real: type == "number"
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }
}
