import CJansson
import Glibc

extension Document {
    /// How a document is laid out as text.
    public enum Style {
        /// One line without spaces.
        case compact
        /// One member or element a line, two spaces for each level.
        case indented
    }

    /// The document as JSON text, members in order, characters beyond ASCII as they are, no line break at the end.
    ///
    /// Numbers read back as the same: reals carry as many digits as the one that needs most, 15 at least.
    public func text(style: Style) -> String {
        let layout: Int32
        switch style {
        case .compact: layout = JSON_COMPACT
        case .indented: layout = 2  // JSON_INDENT(2), a macro that Swift does not see
        }
        let precision = Int32(realDigits) << 11  // JSON_REAL_PRECISION(n), likewise
        let value = JanssonValue(self)
        guard let text = value.text(flags: JSON_ENCODE_ANY | layout | precision) else {
            preconditionFailure("jansson cannot write what it has built")
        }
        return text
    }

    /// Significant digits that every real number in the document needs to read back as itself, from 15 to 17.
    private var realDigits: Int {
        switch self {
        case .real(let number): max(15, Self.significantDigits(of: number))
        case .array(let elements): elements.reduce(15) { max($0, $1.realDigits) }
        case .object(let members): members.reduce(15) { max($0, $1.value.realDigits) }
        case .null, .boolean, .integer, .string: 15
        }
    }

    /// Digits of the shortest decimal that stands for `number`, which is how Swift describes it.
    private static func significantDigits(of number: Double) -> Int {
        let mantissa = number.description.utf8.prefix { $0 != UInt8(ascii: "e") }
        let digits = mantissa.filter { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        return digits.drop { $0 == UInt8(ascii: "0") }.count
    }
}
