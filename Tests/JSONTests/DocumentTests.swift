import JSON
import Testing

@Suite("A document")
struct DocumentTests {
    @Test("holds every kind of value")
    func kinds() throws {
        let document = try Document.parse(#"[null, true, false, -7, 1.5, "a", [], {}]"#)
        #expect(document == [.null, true, false, -7, 1.5, "a", [], [:]])
        #expect(document.array?.count == 8)
    }

    @Test("may be any value, with white space around it", arguments: ["1", " 1\n", "\t1 "])
    func topLevelScalar(text: String) throws {
        #expect(try Document.parse(text) == 1)
    }

    @Test("keeps the order of its members, through parsing, change and text")
    func memberOrder() throws {
        let document = try Document.parse(#"{"z":1,"a":2,"m":3}"#)
        var members = try #require(document.object)
        #expect(members.names == ["z", "a", "m"])
        members["a"] = nil
        members["z"] = 9
        members["b"] = .null
        #expect(Document.object(members).text(style: .compact) == #"{"z":9,"m":3,"b":null}"#)
    }

    @Test("equals another without regard to the order of members, but not of elements")
    func equality() throws {
        #expect(try Document.parse(#"{"a":1,"b":[1,2]}"#) == Document.parse(#"{"b":[1,2],"a":1}"#))
        #expect(try Document.parse("[1,2]") != Document.parse("[2,1]"))
        #expect(try Document.parse("1") != Document.parse("1.0"))
        #expect(try Document.parse(#"{"a":1}"#) != Document.parse(#"{"b":1}"#))
    }

    @Test("tells a composed letter from a decomposed one, in names and in strings")
    func characters() throws {
        let document = try Document.parse(#"{"\u00e9":1,"e\u0301":2}"#)
        #expect(document["\u{e9}"] == 1)
        #expect(document["e\u{301}"] == 2)
        #expect(Document.string("\u{e9}") != Document.string("e\u{301}"))
    }

    @Test("keeps integers of 64 bits exact")
    func integers() throws {
        #expect(try Document.parse("9223372036854775807").integer == .max)
        #expect(try Document.parse("-9223372036854775808").integer == .min)
        #expect(throws: DocumentError.self) { try Document.parse("9223372036854775808") }
    }

    @Test(
        "writes reals so that they read back as the same, as briefly as all of them allow",
        arguments: [
            ("[0.1]", "[0.1]"), ("[0.30000000000000004]", "[0.30000000000000004]"), ("[1e300]", "[1e300]"),
            ("[2.0]", "[2.0]"), ("[5e-324]", "[4.94065645841247e-324]"),
        ]
    )
    func reals(text: String, expected: String) throws {
        let document = try Document.parse(text)
        #expect(document.text(style: .compact) == expected)
        #expect(try Document.parse(document.text(style: .compact)) == document)
    }

    @Test("refuses a number beyond the range of doubles")
    func realRange() {
        #expect(throws: DocumentError.self) { try Document.parse("1e400") }
    }

    @Test("carries zero bytes and escapes in strings, and writes characters beyond ASCII as they are")
    func strings() throws {
        let document = try Document.parse(#""\u0000\u00fc\ud83d\ude00\n/""#)
        #expect(document.string == "\0ü😀\n/")
        #expect(document.text(style: .compact) == #""\u0000ü😀\n/""#)
    }

    @Test("is indented by two spaces")
    func indented() throws {
        let document = try Document.parse(#"{"a":[1,{"b":null}],"c":{},"d":[]}"#)
        let expected = """
            {
              "a": [
                1,
                {
                  "b": null
                }
              ],
              "c": {},
              "d": []
            }
            """
        #expect(document.text(style: .indented) == expected)
    }

    @Test("reports line, column and position of a fault")
    func faultPosition() throws {
        let error = #expect(throws: DocumentError.self) { try Document.parse("{\n  \"a\": 1,\n  \"a\": 2\n}") }
        let fault = try #require(error)
        #expect(fault.message == "duplicate object key")
        #expect(fault.line == 3)
        #expect(fault.position > 12 && fault.position < 20)
        #expect(fault.description.hasPrefix("line 3, column "))
    }

    @Test("names no content in its faults", arguments: ["secret", #"{"a":1,"secret""#, #"["secret", secret]"#])
    func faultMessage(text: String) throws {
        let error = try #require(#expect(throws: DocumentError.self) { try Document.parse(text) })
        #expect(!error.message.contains("secret"))
    }

    @Test("says that the text ended too early", arguments: ["", " ", "[1,", #"{"a""#])
    func truncated(text: String) throws {
        let error = try #require(#expect(throws: DocumentError.self) { try Document.parse(text) })
        #expect(error.message == "unexpected end of the text")
    }

    @Test("refuses what is not JSON", arguments: ["[1,]", "{a:1}", "01", "1 2", "nul", "[\"\u{1}\"]", "'a'"])
    func notJSON(text: String) {
        #expect(throws: DocumentError.self) { try Document.parse(text) }
    }

    @Test("refuses bytes that are not UTF-8")
    func notUTF8() {
        #expect(throws: DocumentError.self) { try Document.parse([0x22, 0xFF, 0x22] as [UInt8]) }
    }

    @Test("nests to its limit and no deeper")
    func depth() throws {
        let limit = Document.depthMax
        let deepest = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        #expect(try Document.parse(deepest).text(style: .compact) == deepest)
        let error = try #require(#expect(throws: DocumentError.self) { try Document.parse("[\n" + deepest + "]") })
        #expect(error.line == 2)
        #expect(error.column == limit)
        // Brackets in strings do not nest.
        #expect(try Document.parse("[\"\\\"" + String(repeating: "[", count: 200) + "\"]").array?.count == 1)
    }

    @Test(
        "is searched by JSON pointer as RFC 6901 says",
        arguments: [
            ("", #"{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8,"~1":9}"#), ("/foo/0", #""bar""#), ("/", "0"),
            ("/a~1b", "1"), ("/m~0n", "8"), ("/~01", "9"),
        ]
    )
    func pointers(pointer: String, expected: String) throws {
        let document = try Document.parse(#"{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8,"~1":9}"#)
        #expect(document[pointer: pointer]?.text(style: .compact) == expected)
    }

    @Test(
        "leads nowhere by a pointer that fits nothing",
        arguments: ["foo", "/foo/2", "/foo/00", "/foo/-1", "/x", "/foo/0/a"]
    )
    func danglingPointers(pointer: String) throws {
        let document = try Document.parse(#"{"foo":["bar","baz"]}"#)
        #expect(document[pointer: pointer] == nil)
    }
}
