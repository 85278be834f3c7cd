import Bytes
import Store
import Testing

@Suite("Globs")
struct GlobTests {
    private static let cases: [(pattern: StaticString, text: StaticString, isMatch: Bool)] = [
        ("*", "", true), ("*", "anything", true), ("", "", true), ("", "a", false),
        ("a*", "abc", true), ("a*", "ba", false), ("*c", "abc", true), ("*c", "abcd", false),
        ("a*b*c", "a-b-b-c", true), ("a*b*c", "a-c-b", false), ("**", "x", true),
        ("a?c", "abc", true), ("a?c", "ac", false), ("?", "", false),
        ("[abc]", "b", true), ("[abc]", "d", false), ("[^abc]", "d", true), ("[^abc]", "a", false),
        ("[a-c]x", "bx", true), ("[c-a]x", "bx", true), ("[a-c]x", "dx", false),
        ("\\*", "*", true), ("\\*", "x", false), ("[\\]]", "]", true), ("a\\", "a\\", true),
        ("user:*:name", "user:42:name", true), ("user:*:name", "user:42:names", false),
        ("[ab", "a", true), ("cache:[1-3]*", "cache:25", true), ("cache:[1-3]*", "cache:45", false),
    ]

    @Test("match what Valkey's do")
    func matches() {
        for (pattern, text, isMatch) in Self.cases {
            #expect(Glob.matches(ByteView(pattern), ByteView(text)) == isMatch, "\(pattern) and \(text)")
        }
    }

    @Test("many stars over a long text take no time")
    func stars() {
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1024)
        let pattern = Array("a*a*a*a*a*a*a*a*a*a*a*a*b".utf8)
        let isMatch = pattern.withByteView { pattern in text.withByteView { Glob.matches(pattern, $0) } }
        #expect(!isMatch)
    }

    @Test("what was escaped matches itself alone")
    func escaping() {
        let name = Array("a*b?[c]\\d".utf8)
        let pattern = Glob.escaped(name)
        #expect(pattern.withByteView { pattern in name.withByteView { Glob.matches(pattern, $0) } })
        #expect(!pattern.withByteView { Glob.matches($0, ByteView("axb?[c]\\d")) })
    }
}
