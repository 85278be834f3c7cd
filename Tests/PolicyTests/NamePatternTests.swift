import Testing

@testable import Policy

@Suite("A pattern over names")
struct NamePatternTests {
    @Test(
        "stands for what it says",
        arguments: [
            ("*", "", true), ("*", "a", true), ("", "", true), ("", "a", false), ("a", "a", true), ("a", "ab", false),
            ("a*", "a", true), ("a*", "abc", true), ("a*c", "abc", true), ("a*c", "abcd", false), ("*c", "abc", true),
            ("a?c", "abc", true), ("a?c", "ac", false), ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false),
            ("a**b", "ab", true), ("*ab", "aab", true), ("?*", "", false), ("a.b", "axb", false), ("[a]", "a", false),
        ]
    )
    func matching(pattern: String, name: String, isMatch: Bool) {
        #expect(NamePattern(pattern).matches(name) == isMatch)
    }

    @Test("takes no longer for a pattern made to take long")
    func hostile() {
        let pattern = NamePattern(String(repeating: "*a", count: 100) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 2000)))
    }

    @Test("covers no pattern that only looks like one of its own")
    func covering() {
        let (composed, decomposed) = ("caf\u{e9}?", "cafe\u{301}?")
        #expect(NamePattern(composed).covers(pattern: composed))
        #expect(!NamePattern(composed).covers(pattern: decomposed))
        #expect(!NamePattern(decomposed).covers(pattern: composed))
        #expect(NamePattern(composed) != NamePattern(decomposed))
        #expect(NamePattern("shop.*").covers(pattern: "shop.*"))
        #expect(NamePattern("shop.*").covers(pattern: "shop.a?"))
        #expect(!NamePattern("s?op.*").covers(pattern: "shop.*"))
        // One character to Swift, and two names to Valkey.
        #expect(!NamePattern("\u{600}*").covers(pattern: "a"))
        #expect(NamePattern("\u{600}*").covers(pattern: "\u{600}a"))
    }
}
