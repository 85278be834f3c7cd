import Bytes
import JSON

/// Why a value has no canonical form.
enum CanonicalFault: Error, Equatable {
    /// An object has a member twice, and programs differ in which one counts.
    case repeatedMember
    /// A string holds half of a surrogate pair, which is no text.
    case loneSurrogate
}

/// The canonical form of JSON (RFC 8785): two texts that say the same become the same bytes.
///
/// Members are sorted by the UTF-16 code units of their names, strings have only the escapes they need, and there is no
/// white space. Numbers differ from the RFC in one point: they keep their exact decimal value, where the RFC rounds to a
/// double. What two doubles tell apart is written the same way; what they do not, such as two large seeds, stays apart.
enum CanonicalJSON {
    /// Appends the canonical form of a value.
    ///
    /// - Complexity: O(n log n) for the members of an object; each level of nesting is passed over once more.
    static func append(_ value: JSONValue, to buffer: inout ByteBuffer) throws(CanonicalFault) {
        switch value.kind {
        case .null, .true, .false: buffer.append(value.text)
        case .number: append(number: value.text, to: &buffer)
        case .string:
            guard let string = value.string else { preconditionFailure("a string is a string") }
            try append(string, to: &buffer)
        case .array: try append(array: value, to: &buffer)
        case .object: try append(object: value, to: &buffer)
        }
    }

    /// Appends a string with its quotes.
    static func append(_ string: JSONString, to buffer: inout ByteBuffer) throws(CanonicalFault) {
        guard hasNeedlessEscapes(string) else {
            buffer.append(UInt8(ascii: "\""))
            buffer.append(string.raw)
            buffer.append(UInt8(ascii: "\""))
            return
        }
        var meaning = ByteBuffer()
        try append(meaningOf: string, to: &meaning)
        buffer.append(jsonString: meaning.view)
    }

    /// Whether an escape occurs that is not the canonical one; every other one stays as it is.
    private static func hasNeedlessEscapes(_ string: JSONString) -> Bool {
        guard string.hasEscapes else { return false }
        var index = 0
        while let backslash = string.raw.firstIndex(of: UInt8(ascii: "\\"), from: index) {
            let kind = string.raw[backslash + 1]
            if kind == UInt8(ascii: "u") || kind == UInt8(ascii: "/") { return true }
            index = backslash + 2
        }
        return false
    }

    private static func append(meaningOf string: JSONString, to buffer: inout ByteBuffer) throws(CanonicalFault) {
        do throws(JSONFault) {
            try string.append(to: &buffer)
        } catch {
            throw .loneSurrogate
        }
    }

    private static func append(number text: ByteView, to buffer: inout ByteBuffer) {
        guard let number = DecimalNumber(text) else { return buffer.append(text) }
        number.append(to: &buffer)
    }

    private static func append(array: JSONValue, to buffer: inout ByteBuffer) throws(CanonicalFault) {
        buffer.append(UInt8(ascii: "["))
        var elements = array.elements()
        var isFirst = true
        while let element = elements.next() {
            if !isFirst { buffer.append(UInt8(ascii: ",")) }
            isFirst = false
            try append(element, to: &buffer)
        }
        buffer.append(UInt8(ascii: "]"))
    }

    private static func append(object: JSONValue, to buffer: inout ByteBuffer) throws(CanonicalFault) {
        var sorted: [(name: [UInt8], value: JSONValue)] = []
        var members = object.members()
        while let member = members.next() {
            var name = ByteBuffer()
            try append(meaningOf: member.name, to: &name)
            sorted.append((name.view.copy(), member.value))
        }
        sorted.sort { precedes($0.name, $1.name) }
        buffer.append(UInt8(ascii: "{"))
        for index in sorted.indices {
            if index > 0 {
                guard sorted[index].name != sorted[index - 1].name else { throw .repeatedMember }
                buffer.append(UInt8(ascii: ","))
            }
            sorted[index].name.withByteView { buffer.append(jsonString: $0) }
            buffer.append(UInt8(ascii: ":"))
            try append(sorted[index].value, to: &buffer)
        }
        buffer.append(UInt8(ascii: "}"))
    }

    /// Whether one name comes before another by its UTF-16 code units; both are UTF-8.
    ///
    /// The order of the bytes is that of the code points. It differs only where a pair of surrogates (U+10000 and above,
    /// first byte 0xF0 and above) meets a character from U+E000 to U+FFFF (first byte 0xEE or 0xEF).
    static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        for (one, other) in zip(left, right) where one != other {
            return weight(one) < weight(other)
        }
        return left.count < right.count
    }

    private static func weight(_ byte: UInt8) -> UInt8 {
        byte == 0xee || byte == 0xef ? byte + 0x10 : byte
    }
}
