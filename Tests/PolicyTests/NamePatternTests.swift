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
}
