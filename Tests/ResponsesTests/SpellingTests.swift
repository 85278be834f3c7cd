import Bytes
import JSON
import TestSupport
import Testing

@testable import Responses

/// A JSON value that can be written in many ways.
private indirect enum Value: Equatable {
    case word(String)
    case number(digits: [Int], exponent: Int, isNegative: Bool)
    case string([Unicode.Scalar])
    case array([Value])
    case object([(name: [Unicode.Scalar], value: Value)])

    static func == (left: Value, right: Value) -> Bool {
        switch (left, right) {
        case (.word(let one), .word(let other)): one == other
        case (.number(let digits, let exponent, let sign), .number(let others, let power, let mark)):
            digits == others && exponent == power && sign == mark
        case (.string(let one), .string(let other)): one == other
        case (.array(let one), .array(let other)): one == other
        case (.object(let one), .object(let other)):
            one.count == other.count && zip(one, other).allSatisfy { $0.name == $1.name && $0.value == $1.value }
        default: false
        }
    }
}

/// Makes values, and texts of them.
private struct Speller {
    private static let scalars: [Unicode.Scalar] = [
        "a", "B", "0", " ", "\"", "\\", "/", "\n", "\t", "\u{8}", "\u{0}", "\u{1f}", "\u{7f}", "é", "€", "\u{ffff}",
        "😀", "\u{e000}", "\u{10ffff}",
    ]

    var generator: SeededGenerator

    mutating func value(depth: Int) -> Value {
        switch Int.random(in: 0..<(depth > 3 ? 3 : 5), using: &generator) {
        case 0: return .word(["true", "false", "null"].randomElement(using: &generator) ?? "null")
        case 1: return number()
        case 2: return .string(string())
        case 3: return .array((0..<Int.random(in: 0...3, using: &generator)).map { _ in value(depth: depth + 1) })
        default:
            var members: [(name: [Unicode.Scalar], value: Value)] = []
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                let name = string()
                if members.contains(where: { $0.name == name }) { continue }
                members.append((name, value(depth: depth + 1)))
            }
            return .object(members)
        }
    }

    private mutating func number() -> Value {
        var digits = (0..<Int.random(in: 1...25, using: &generator)).map { _ in Int.random(in: 0...9, using: &generator)
        }
        digits[0] = Int.random(in: 1...9, using: &generator)
        digits[digits.count - 1] = Int.random(in: 1...9, using: &generator)
        return .number(
            digits: digits,
            exponent: .random(in: -40...40, using: &generator),
            isNegative: .random(using: &generator)
        )
    }

    private mutating func string() -> [Unicode.Scalar] {
        (0..<Int.random(in: 0...5, using: &generator)).map { _ in Self.scalars.randomElement(using: &generator) ?? "a" }
    }

    /// Another value that differs in one place.
    mutating func changed(_ value: Value) -> Value {
        switch value {
        case .word(let word): return .word(word == "true" ? "false" : "true")
        case .number(var digits, let exponent, let isNegative):
            if Bool.random(using: &generator) {
                return .number(digits: digits, exponent: exponent + 1, isNegative: isNegative)
            }
            let index = Int.random(in: 0..<digits.count, using: &generator)
            digits[index] = digits[index] % 9 + 1
            return .number(digits: digits, exponent: exponent, isNegative: isNegative)
        case .string(let scalars): return .string(scalars + ["x"])
        case .array(var elements):
            guard let index = elements.indices.randomElement(using: &generator) else { return .array([.word("null")]) }
            elements[index] = changed(elements[index])
            return .array(elements)
        case .object(var members):
            guard let index = members.indices.randomElement(using: &generator) else {
                return .object([(["x"], .word("null"))])
            }
            members[index].value = changed(members[index].value)
            return .object(members)
        }
    }

    /// One of the many texts of a value.
    mutating func text(_ value: Value) -> String {
        let space = [" ", "", "", "\n\t"].randomElement(using: &generator) ?? ""
        switch value {
        case .word(let word): return space + word
        case .number(let digits, let exponent, let isNegative): return space + number(digits, exponent, isNegative)
        case .string(let scalars): return space + string(scalars)
        case .array(let elements):
            var texts: [String] = []
            for element in elements { texts.append(text(element)) }
            return "\(space)[\(texts.joined(separator: ","))\(space)]"
        case .object(let members):
            var texts: [String] = []
            for member in members.shuffled(using: &generator) {
                texts.append("\(string(member.name))\(space):\(text(member.value))")
            }
            return "\(space){\(texts.joined(separator: ","))\(space)}"
        }
    }

    /// `digits` as an integer times a power of ten, with the point anywhere.
    private mutating func number(_ digits: [Int], _ exponent: Int, _ isNegative: Bool) -> String {
        let all = digits + [Int](repeating: 0, count: Int.random(in: 0...3, using: &generator))
        let point = Int.random(in: 1...all.count, using: &generator)
        var text = (isNegative ? "-" : "") + all[..<point].map(String.init).joined()
        if point < all.count { text += "." + all[point...].map(String.init).joined() }
        let power = exponent + digits.count - point
        if power != 0 || Bool.random(using: &generator) {
            let sign = power >= 0 ? ["", "+"].randomElement(using: &generator) ?? "" : "-"
            let zeros = String(repeating: "0", count: Int.random(in: 0...2, using: &generator))
            text += (Bool.random(using: &generator) ? "e" : "E") + sign + zeros + String(power.magnitude)
        }
        return text
    }

    private mutating func string(_ scalars: [Unicode.Scalar]) -> String {
        var text = "\""
        for scalar in scalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            if mustEscape || Int.random(in: 0..<3, using: &generator) == 0 {
                for unit in Character(scalar).utf16 {
                    let digits = String(unit, radix: 16, uppercase: Bool.random(using: &generator))
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            } else if scalar == "/", Bool.random(using: &generator) {
                text += "\\/"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}

@Suite("The canonical form of random values")
struct SpellingTests {
    @Test("is one, however they are written; and another where they differ in one place")
    func spellings() throws {
        var speller = Speller(generator: SeededGenerator(seed: 2606))
        for _ in 0..<3000 {
            let value = speller.value(depth: 0)
            let text = speller.text(value)
            let form = try canonical(text)
            let other = speller.text(value)
            #expect(try canonical(other) == form, "\(text) and \(other)")
            #expect(try canonical(form) == form)
            let changed = speller.text(speller.changed(value))
            #expect(try canonical(changed) != form, "\(text) and \(changed)")
        }
    }
}
