public import Bytes

/// Why a value has no canonical form.
public enum CanonicalFault: Error, Equatable {
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
public enum CanonicalJSON {
    /// Appends the canonical form of a value.
    ///
    /// - Complexity: One pass over the text; the members of an object that are not in order are sorted and copied, once
    ///   for each object around them.
    public static func append(_ value: JSONValue, to buffer: inout ByteBuffer) throws(CanonicalFault) {
        // Depth was bounded when the value was scanned.
        var scanner = JSONScanner(value.text, depthMax: .max)
        do throws(Interruption) {
            try append(&scanner, to: &buffer)
        } catch {
            switch error {
            case .fault(let fault): throw fault
            case .unscanned(let fault): preconditionFailure("the value was not scanned: \(fault)")
            }
        }
    }

    /// Why a pass over a text ends early.
    private enum Interruption: Error {
        case fault(CanonicalFault)
        case unscanned(JSONFault)
    }

    /// Appends the value that begins here.
    private static func append(_ scanner: inout JSONScanner, to buffer: inout ByteBuffer) throws(Interruption) {
        switch scanner.next {
        case UInt8(ascii: "["):
            try appendArray(&scanner, to: &buffer)
        case UInt8(ascii: "{"):
            try appendObject(&scanner, to: &buffer)
        default:
            let value = try scan { () throws(JSONFault) in try scanner.scanValue(depth: 0) }
            if let string = value.string {
                try mend { () throws(CanonicalFault) in try append(string, to: &buffer) }
            } else if value.kind == .number {
                append(number: value.text, to: &buffer)
            } else {
                buffer.append(value.text)
            }
        }
    }

    private static func scan<Result>(_ body: () throws(JSONFault) -> Result) throws(Interruption) -> Result {
        do throws(JSONFault) {
            return try body()
        } catch {
            throw .unscanned(error)
        }
    }

    private static func mend(_ body: () throws(CanonicalFault) -> Void) throws(Interruption) {
        do throws(CanonicalFault) {
            try body()
        } catch {
            throw .fault(error)
        }
    }

    private static func appendArray(_ scanner: inout JSONScanner, to buffer: inout ByteBuffer) throws(Interruption) {
        buffer.append(UInt8(ascii: "["))
        scanner.position += 1
        scanner.skipWhiteSpace()
        var isAtEnd = scanner.accept(UInt8(ascii: "]"))
        while !isAtEnd {
            try append(&scanner, to: &buffer)
            isAtEnd = try scan { () throws(JSONFault) in try scanner.passSeparator(end: UInt8(ascii: "]")) }
            if !isAtEnd { buffer.append(UInt8(ascii: ",")) }
        }
        buffer.append(UInt8(ascii: "]"))
    }

    /// A member that was appended: what its name means, and where name and value stand.
    private struct Member {
        let name: [UInt8]
        let bounds: Range<Int>
    }

    private static func appendObject(_ scanner: inout JSONScanner, to buffer: inout ByteBuffer) throws(Interruption) {
        buffer.append(UInt8(ascii: "{"))
        let start = buffer.count
        var members: [Member] = []
        scanner.position += 1
        scanner.skipWhiteSpace()
        var isAtEnd = scanner.accept(UInt8(ascii: "}"))
        while !isAtEnd {
            let begin = buffer.count
            let name = try scan { () throws(JSONFault) in try scanner.scanString() }
            try scan { () throws(JSONFault) in try scanner.passColon() }
            var meaning = ByteBuffer()
            try mend { () throws(CanonicalFault) in try append(meaningOf: name, to: &meaning) }
            buffer.append(jsonString: meaning.view)
            buffer.append(UInt8(ascii: ":"))
            try append(&scanner, to: &buffer)
            members.append(Member(name: meaning.view.copy(), bounds: begin..<buffer.count))
            isAtEnd = try scan { () throws(JSONFault) in try scanner.passSeparator(end: UInt8(ascii: "}")) }
            if !isAtEnd { buffer.append(UInt8(ascii: ",")) }
        }
        try mend { () throws(CanonicalFault) in try sort(members, from: start, in: &buffer) }
        buffer.append(UInt8(ascii: "}"))
    }

    /// Puts the members of an object, which is the end of what was appended, in order.
    private static func sort(_ members: [Member], from start: Int, in buffer: inout ByteBuffer) throws(CanonicalFault) {
        let sorted = members.sorted { precedes($0.name, $1.name) }
        for (one, other) in zip(sorted, sorted.dropFirst()) where one.name == other.name { throw .repeatedMember }
        guard zip(members, sorted).contains(where: { $0.bounds != $1.bounds }) else { return }
        var ordered = ByteBuffer()
        ordered.reserve(buffer.count - start)
        for (index, member) in sorted.enumerated() {
            if index > 0 { ordered.append(UInt8(ascii: ",")) }
            ordered.append(buffer.view[member.bounds])
        }
        buffer.truncate(to: start)
        buffer.append(ordered.view)
    }

    /// Appends a string with its quotes.
    public static func append(_ string: JSONString, to buffer: inout ByteBuffer) throws(CanonicalFault) {
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
