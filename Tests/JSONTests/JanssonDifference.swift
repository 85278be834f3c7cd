import Bytes
import JSON

/// What RFC 8259 allows and the scanner accepts, while jansson refuses it.
///
/// This is the whole list: a text is refused by jansson exactly where the scanner refuses it or where one of these
/// occurs in it. `docs/explanation/json.md` says why the scanner accepts them.
enum JanssonDifference: CaseIterable {
    /// A name stands twice in an object: RFC 8259 section 4 says SHOULD, and the value is kept as text anyway.
    case duplicateName
    /// A name holds U+0000: jansson's names end at the first zero byte.
    case zeroInName
    /// An escape is half of a surrogate pair: the grammar of section 7 allows it, but no UTF-8 stands for it.
    case loneSurrogate
    /// An integer needs more than 64 bits: section 6 sets no bound, and jansson computes with it.
    case integerRange
    /// A number with a fraction or an exponent is beyond the range of doubles.
    case realRange

    /// Those that occur in `value` and in what it holds.
    static func all(in value: JSONValue) -> Set<JanssonDifference> {
        switch value.kind {
        case .null, .true, .false: []
        case .number: ofNumber(value.text)
        case .string: bytes(value.string) == nil ? [.loneSurrogate] : []
        case .array: ofElements(value.elements())
        case .object: ofMembers(value.members())
        }
    }

    /// What a string means, or nil where it is no text.
    static func bytes(_ string: JSONString?) -> [UInt8]? {
        var buffer = ByteBuffer()
        guard let string, (try? string.append(to: &buffer)) != nil else { return nil }
        return buffer.view.copy()
    }

    private static func ofNumber(_ text: ByteView) -> Set<JanssonDifference> {
        let isReal = [".", "e", "E"].contains { text.contains($0) }
        if !isReal { return text.integer == nil ? [.integerRange] : [] }
        return Double(text.text())?.isFinite == true ? [] : [.realRange]
    }

    private static func ofElements(_ elements: JSONElements) -> Set<JanssonDifference> {
        var found: Set<JanssonDifference> = []
        var elements = elements
        while let element = elements.next() { found.formUnion(all(in: element)) }
        return found
    }

    private static func ofMembers(_ members: JSONMembers) -> Set<JanssonDifference> {
        var found: Set<JanssonDifference> = []
        var names: Set<[UInt8]> = []
        var members = members
        while let (name, value) = members.next() {
            if let bytes = bytes(name) {
                if bytes.contains(0) { found.insert(.zeroInName) }
                if !names.insert(bytes).inserted { found.insert(.duplicateName) }
            } else {
                found.insert(.loneSurrogate)
            }
            found.formUnion(all(in: value))
        }
        return found
    }
}
