import Bytes
import JSON
import Testing

@Suite("A scanned value")
struct JSONValueTests {
    @Test(
        "is the text as written, without the white space around it",
        arguments: [
            "1.0", "1e2", "-0", "1E+02", "0.10", "12345678901234567890123456789.123456789", "1e400",
            #""\u0041\/\ud800""#,
            #"{ "b":1, "a":2, "b":3 }"#, "[ 1 ,\n2 ]", "[]", "{}", "null", "true", "false",
        ]
    )
    func slices(text: String) throws {
        for padded in [text, " \n\(text)\t\r "] {
            try withValue(padded) { value in #expect(value.text.text() == text) }
        }
        try withValue("[0, \(text) ,[\(text)]]") { value in
            var elements = value.elements()
            var texts: [String?] = []
            for _ in 0..<5 { texts.append(elements.next()?.text.text()) }
            #expect(texts == ["0", text, "[\(text)]", nil, nil])
        }
    }

    @Test("has its elements in order, whatever white space and nesting there is")
    func elements() throws {
        try withValue("[ 1,[2,[3]] ,{\"a\":[4]}\n,\"]\", \"\\\"\",null , true,false ]") { value in
            var texts: [String] = []
            var elements = value.elements()
            while let element = elements.next() { texts.append(element.text.text()) }
            #expect(texts == ["1", "[2,[3]]", #"{"a":[4]}"#, #""]""#, #""\"""#, "null", "true", "false"])
        }
    }

    @Test("has its members in order, duplicates and escaped names included")
    func members() throws {
        try withValue(" { \"b\" : 1 ,\"a\":{\"x\":[]},\"b\":3 , \"\\u0061\\n\":\"}\" ,\"\":[ ]} ") { value in
            var pairs: [String] = []
            var members = value.members()
            while let (name, value) = members.next() { pairs.append("\(name.raw.text())=\(value.text.text())") }
            #expect(pairs == ["b=1", #"a={"x":[]}"#, "b=3", #"\u0061\n="}""#, "=[ ]"])
            let afterLast = members.next()
            #expect(afterLast == nil)
        }
    }

    @Test(
        "has neither elements nor members where it is of another kind",
        arguments: ["1", #""[1]""#, "null", "[ ]", "{ }"]
    )
    func otherKinds(text: String) throws {
        try withValue(text) { value in
            var elements = value.elements()
            var members = value.members()
            let isEmpty = (elements.next() == nil, members.next() == nil)
            #expect(isEmpty == (true, true))
        }
    }

    @Test("does not take an object for an array, nor an array for an object")
    func crossed() throws {
        try withValue(#"{"a":1}"#) { value in
            var elements = value.elements()
            let first = elements.next()
            #expect(first == nil)
        }
        try withValue("[1]") { value in
            var members = value.members()
            let first = members.next()
            #expect(first == nil)
        }
    }

    @Test("goes through what is nested as deep as the scanner let it be")
    func deep() throws {
        let text = String(repeating: #"[{"a":"#, count: 32) + "7" + String(repeating: "}]", count: 32)
        try withValue(text) { root in
            var value = root
            for _ in 0..<32 {
                var elements = value.elements()
                let element = elements.next()
                var members = try #require(element).members()
                let member = members.next()
                value = try #require(member).value
            }
            #expect(value.integer == 7)
        }
    }

    @Test(
        "is an integer only where it is written as one and fits",
        arguments: [
            ("0", 0), ("-0", 0), ("42", 42), ("-42", -42), ("9223372036854775807", .max),
            ("-9223372036854775808", .min), ("9223372036854775808", nil), ("-9223372036854775809", nil),
            ("1.0", nil), ("1e2", nil), ("18446744073709551617", nil), (#""1""#, nil), ("null", nil), ("true", nil),
            ("[1]", nil),
        ] as [(String, Int64?)]
    )
    func integers(text: String, expected: Int64?) throws {
        try withValue(text) { value in #expect(value.integer == expected) }
    }

    @Test("is a truth value or a string only where it is one")
    func kinds() throws {
        try withValue("true") { value in #expect(value.boolean == true) }
        try withValue("false") { value in #expect(value.boolean == false) }
        for text in ["null", "0", #""true""#, "[]", "{}"] {
            try withValue(text) { value in #expect(value.boolean == nil) }
        }
        for text in ["null", "true", "0", "[]", "{}"] {
            try withValue(text) { value in #expect(value.string == nil) }
        }
        try withValue(#" "a\n" "#) { value in
            let string = try #require(value.string)
            #expect(string.raw.equals(#"a\n"#))
            #expect(string.hasEscapes)
        }
    }
}
