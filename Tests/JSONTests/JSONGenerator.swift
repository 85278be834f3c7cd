/// Makes random JSON, and spoils it.
struct JSONGenerator<Random: RandomNumberGenerator> {
    private var random: Random

    /// Draws from `random`.
    init(_ random: Random) {
        self.random = random
    }

    /// A text that is valid JSON, nested up to `depth`.
    mutating func text(depth: Int = 5) -> [UInt8] {
        Array((space() + value(depth) + space()).utf8)
    }

    /// Changes a few bytes of `text`, so that most results are no longer valid.
    mutating func mutate(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for _ in 0...draw(3) {
            let index = draw(text.count + 1)
            switch draw(6) {
            case 0: text.insert(telling(), at: index)
            case 1: text.insert(UInt8(draw(256)), at: index)
            case 2 where index < text.count: text.remove(at: index)
            case 3 where index < text.count: text[index] = telling()
            case 4 where index < text.count: text[index] ^= 1 << UInt8(draw(8))
            case 5: text.removeSubrange(index..<min(text.count, index + draw(8)))
            default: text += text[index...].prefix(draw(20))
            }
        }
        return text
    }

    private mutating func draw(_ bound: Int) -> Int {
        Int.random(in: 0..<max(bound, 1), using: &random)
    }

    private mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[draw(choices.count)]
    }

    private mutating func telling() -> UInt8 {
        pick(Array("{}[]\",:\\/u0123456789.eE+-tfn \n\t\0\u{1f}\u{7f}aAdDé😀".utf8))
    }

    private mutating func space() -> String {
        pick(["", "", "", "", " ", "\n", "\t ", "\r\n", "    "])
    }

    private mutating func value(_ depth: Int) -> String {
        switch draw(depth > 0 ? 9 : 5) {
        case 0: pick(["null", "true", "false"])
        case 1, 2: number()
        case 3, 4: string()
        case 5, 6: array(depth)
        default: object(depth)
        }
    }

    private mutating func array(_ depth: Int) -> String {
        var parts: [String] = []
        for _ in 0..<draw(5) { parts.append(space() + value(depth - 1) + space()) }
        return "[" + parts.joined(separator: ",") + (parts.isEmpty ? space() : "") + "]"
    }

    private mutating func object(_ depth: Int) -> String {
        var parts: [String] = []
        for _ in 0..<draw(5) { parts.append(space() + string() + space() + ":" + space() + value(depth - 1) + space()) }
        return "{" + parts.joined(separator: ",") + (parts.isEmpty ? space() : "") + "}"
    }

    private mutating func digits(_ most: Int) -> String {
        (0...draw(most)).map { _ in String(draw(10)) }.joined()
    }

    private mutating func number() -> String {
        var text = pick(["", "-"])
        text += draw(4) == 0 ? "0" : String(draw(9) + 1) + (draw(2) == 0 ? "" : digits(pick([1, 3, 17, 19, 30])))
        if draw(3) == 0 { text += "." + digits(pick([1, 5, 20])) }
        if draw(4) == 0 { text += pick(["e", "E"]) + pick(["", "+", "-"]) + digits(pick([1, 2, 3])) }
        return text
    }

    private mutating func string() -> String {
        var text = "\""
        for _ in 0..<draw(pick([2, 6, 30])) {
            switch draw(8) {
            case 0: text += pick([#"\""#, #"\\"#, #"\/"#, #"\b"#, #"\f"#, #"\n"#, #"\r"#, #"\t"#])
            case 1: text += pick([#"\u0000"#, #"\u0041"#, #"\u00e9"#, #"\u20AC"#, #"\uffff"#, #"\ud83d\ude00"#])
            case 2: text += pick(["é", "€", "😀", "\u{2028}", "\u{7f}", "\u{10ffff}", "e\u{301}"])
            case 3 where draw(10) == 0: text += pick([#"\ud800"#, #"\udfff"#, #"\ud83d\u0041"#])
            default: text += pick(["a", "b", "key", " ", "'", "0", "[", "}", "//", "abcdefgh"])
            }
        }
        return text + "\""
    }
}
