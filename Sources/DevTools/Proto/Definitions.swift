import JSON

/// The schemas that methods share: `proto/definitions.json`.
struct Definitions {
    /// Path of the file.
    static let file = "proto/definitions.json"

    /// Name and schema of each, in the order of the file.
    let schemas: [(name: String, schema: Schema)]

    /// Reads the file and checks that every reference in it leads somewhere and none back to itself.
    init(_ place: Place) throws(ProtoFault) {
        var schemas: [(name: String, schema: Schema)] = []
        for (name, place) in try place.allMembers() {
            let schema = try Schema(place)
            guard !schema.description.isEmpty else { throw place.fault("needs a description") }
            schemas.append((name, schema))
        }
        self.schemas = schemas
        for (_, schema) in schemas { _ = try inlined(schema.place) }
    }

    /// The schema itself, or the definition that it refers to.
    func resolve(_ schema: Schema) throws(ProtoFault) -> Schema {
        guard let name = schema.reference else { return schema }
        guard let found = schemas.first(where: { $0.name == name }) else {
            throw schema.place.fault("\(name) is not in \(Self.file)")
        }
        return try resolve(found.schema)
    }

    /// The text of a schema with every reference replaced by what it leads to.
    func inlined(_ place: Place, depth: Int = 0) throws(ProtoFault) -> Document {
        guard depth < 16 else { throw place.fault("refers to itself") }
        switch place.document {
        case .object:
            if place.document["$ref"] != nil {
                let target = try resolve(try Schema(place)).place
                return try inlined(target, depth: depth + 1)
            }
            var object = DocumentObject()
            for (name, place) in try place.allMembers() { object[name] = try inlined(place, depth: depth) }
            return .object(object)
        case .array:
            var elements: [Document] = []
            for element in try place.elements() { elements.append(try inlined(element, depth: depth)) }
            return .array(elements)
        default:
            return place.document
        }
    }
}
