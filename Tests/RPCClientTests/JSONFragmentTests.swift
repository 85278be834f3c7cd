import JSON
import RPCClient
import Testing

@Suite("JSON fragments")
struct JSONFragmentTests {
    @Test(
        "Text stays as it was written",
        arguments: [
            "1e400", "12345678901234567890123", "-0", "1.10", "{\"b\":1,\"a\":2,\"b\":3}", "\"\\u00e9\\/\"", "[ ]",
        ]
    )
    func keepsText(_ text: String) throws {
        #expect(try #require(JSONFragment(" \(text)\n")).text == text)
    }

    @Test("What is not exactly one value is refused", arguments: ["", " ", "1 2", "{", "01", "nul", "\"\\x\"", "'a'"])
    func refuses(_ text: String) {
        #expect(JSONFragment(text) == nil)
    }

    @Test("Bytes that are not UTF-8 are refused")
    func refusesBytes() {
        #expect(JSONFragment([0x22, 0xFF, 0x22]) == nil)
    }

    @Test("Members come in the order written, and the last of several of one name counts")
    func members() throws {
        let object = try #require(JSONFragment("{ \"b\" : 1 , \"a\" : [ 2 ], \"\\u0062\":3 }"))
        #expect(object.members.map(\.name) == ["b", "a", "b"])
        #expect(object.members.map(\.value.text) == ["1", "[ 2 ]", "3"])
        #expect(object["b"]?.text == "3")
        #expect(object["c"] == nil)
        #expect(object.elements.isEmpty)
        #expect(JSONFragment("{}")?.members.isEmpty == true)
    }

    @Test("Elements are found inside elements")
    func elements() throws {
        let array = try #require(JSONFragment("[1,[2,{\"x\":[3]}],\"]\"]"))
        #expect(array.elements.map(\.text) == ["1", "[2,{\"x\":[3]}]", "\"]\""])
        #expect(array.elements[1].elements[1]["x"]?.elements[0].integer == 3)
        #expect(JSONFragment("[]")?.elements.isEmpty == true)
    }

    @Test("Strings are read with their escapes and written with those that JSON demands")
    func strings() {
        let text = "a\"\\\n\t\u{1}é😀/"
        #expect(JSONFragment(string: text).string == text)
        #expect(JSONFragment(string: text).text == "\"a\\\"\\\\\\n\\t\\u0001é😀/\"")
        #expect(JSONFragment("\"\\ud83d\\ude00\\u0041\"")?.string == "😀A")
        #expect(JSONFragment("1")?.string == nil)
    }

    @Test("Only what 64 bits hold is an integer")
    func integers() {
        #expect(JSONFragment("-9223372036854775808")?.integer == .min)
        #expect(JSONFragment("9223372036854775808")?.integer == nil)
        #expect(JSONFragment("1.0")?.integer == nil)
        #expect(JSONFragment(integer: -5).text == "-5")
    }
}
