import JSON

/// A schema in `proto/`: JSON Schema (draft-07) of the few words that the decoding of parameters knows.
struct Schema {
    /// Where it stands, and its text.
    let place: Place
    /// Name of the definition that it stands for; such a schema says nothing else.
    private(set) var reference: String?
    /// What it describes, empty where it does not say.
    private(set) var description = ""
    /// The types that are allowed; any where there is none.
    private(set) var types: [String] = []
    /// The values that are allowed, or nil for all.
    private(set) var choices: [Document]?
    /// The value that stands for one that is not given.
    private(set) var defaultValue: Document?
    /// Least and greatest integer.
    private(set) var range = Int64.min...Int64.max
    /// Whether a string needs at least one character.
    private(set) var isNonEmpty = false
    /// Whether a string must have at most 128 bytes.
    private(set) var isShort = false
    /// Pattern of a string.
    private(set) var pattern: String?
    /// Whether a string is Base64.
    private(set) var isBase64 = false
    /// Schema of the elements of an array: one or none.
    private(set) var elements: [Schema] = []
    /// Least and greatest number of elements.
    private(set) var elementCount = 0...Int.max
    /// Schemas of an object's members, in order.
    private(set) var members: [(name: String, schema: Schema)] = []
    /// Names of the members that an object must have.
    private(set) var requiredMembers: [String] = []
    /// Whether an object may have members that are not listed.
    private(set) var isOpen = true
    /// Schema of members that are not listed: one or none.
    private(set) var otherMembers: [Schema] = []
    /// Least number of members.
    private(set) var memberCountMin = 0
    /// Members of which exactly one must be there; empty where there is no such rule.
    private(set) var alternatives: [String] = []

    /// Reads a schema and checks that every word in it is one that is known.
    init(_ place: Place) throws(ProtoFault) {
        self.place = place
        let words = try place.allMembers()
        for (word, place) in words { try read(word, place) }
        if reference != nil, words.count > 1 { throw place.fault("a reference stands alone") }
        for name in requiredMembers + alternatives where !members.contains(where: { $0.name == name }) {
            throw place.fault("requires \(name), which is not among its properties")
        }
    }

    private mutating func read(_ word: String, _ place: Place) throws(ProtoFault) {
        switch word {
        case "$ref": reference = try Self.definition(named: place)
        case "description": description = try place.sentence()
        case "type": types = try Self.types(place)
        case "enum": choices = try place.elements().map(\.document)
        case "default": defaultValue = place.document
        case "pattern": pattern = try place.string()
        case "contentEncoding": isBase64 = try Self.isAlways(place, "base64")
        case "minLength": isNonEmpty = try Self.isAlways(place, 1)
        case "maxLength": isShort = try Self.isAlways(place, 128)
        case "minimum": range = try Self.range(place, try place.integer(), range.upperBound)
        case "maximum": range = try Self.range(place, range.lowerBound, try place.integer())
        default: try readContainer(word, place)
        }
    }

    private mutating func readContainer(_ word: String, _ place: Place) throws(ProtoFault) {
        switch word {
        case "items": elements = [try Schema(place)]
        case "minItems": elementCount = Int(clamping: try place.integer())...elementCount.upperBound
        case "maxItems":
            let most = Int(clamping: try place.integer())
            guard most >= elementCount.lowerBound else { throw place.fault("is less than minItems") }
            elementCount = elementCount.lowerBound...most
        case "properties":
            for (name, place) in try place.allMembers() { members.append((name, try Schema(place))) }
        case "required": requiredMembers = try place.names()
        case "minProperties": memberCountMin = try Self.isAlways(place, 1) ? 1 : 0
        case "additionalProperties":
            isOpen = place.document != false
            if isOpen { otherMembers = [try Schema(place)] }
        case "oneOf":
            for element in try place.elements() {
                guard let required = try element.members(required: ["required"])["required"] else { continue }
                alternatives += try required.names()
            }
        default:
            throw place.fault("is not a word that this project's schemas use")
        }
    }

    private static func definition(named place: Place) throws(ProtoFault) -> String {
        let prefix = "definitions.json#/"
        let text = try place.string()
        guard text.hasPrefix(prefix) else { throw place.fault("must begin with \(prefix)") }
        return String(text.dropFirst(prefix.count))
    }

    private static func types(_ place: Place) throws(ProtoFault) -> [String] {
        let types: [String]
        if let type = place.document.string {
            types = [type]
        } else {
            types = try place.names()
        }
        for type in types where !["string", "integer", "number", "boolean", "object", "array", "null"].contains(type) {
            throw place.fault("\(type) is not a type")
        }
        return types
    }

    private static func isAlways(_ place: Place, _ value: Document) throws(ProtoFault) -> Bool {
        guard place.document == value else { throw place.fault("must be \(value.text(style: .compact))") }
        return true
    }

    private static func range(_ place: Place, _ least: Int64, _ most: Int64) throws(ProtoFault) -> ClosedRange<Int64> {
        guard least <= most else { throw place.fault("leaves no number") }
        return least...most
    }
}
