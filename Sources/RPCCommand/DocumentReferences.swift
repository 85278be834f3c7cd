import JSON
import RPCClient

/// Replaces the references in a part of an OpenRPC document by what they refer to.
///
/// The agent describes itself in one document whose schemas and errors stand apart; a method is read by itself.
struct DocumentReferences {
    /// References inside references that are followed; a schema that holds itself ends here.
    private static let depthMax = 8

    private let document: JSONFragment

    /// Takes the whole document.
    init(_ document: JSONFragment) {
        self.document = document
    }

    /// `part` with every `{"$ref": "#/…"}` replaced.
    ///
    /// What refers to nothing stays.
    func resolved(_ part: JSONFragment) -> JSONFragment {
        JSONFragment(text(part, depth: 0)) ?? part
    }

    private func text(_ part: JSONFragment, depth: Int) -> [UInt8] {
        switch part.kind {
        case .object:
            let members = part.members
            if let reference = members.first(where: { $0.name == "$ref" })?.value.string, depth < Self.depthMax,
                let target = target(reference)
            {
                return text(target, depth: depth + 1)
            }
            let parts = members.map { name, value in
                JSONFragment(string: name).bytes + [UInt8(ascii: ":")] + text(value, depth: depth)
            }
            return [UInt8(ascii: "{")] + parts.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "}")]
        case .array:
            let parts = part.elements.map { text($0, depth: depth) }
            return [UInt8(ascii: "[")] + parts.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
        default:
            return [UInt8](part.bytes)
        }
    }

    /// Follows a JSON Pointer (RFC 6901) inside the document.
    private func target(_ reference: String) -> JSONFragment? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.dropFirst(2).split(separator: "/").reduce(document) { $0?[String($1)] }
    }
}
