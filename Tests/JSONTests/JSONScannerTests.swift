import Bytes
import JSON
import Testing

@Suite("The scanner")
struct JSONScannerTests {
    @Test(
        "accepts every value of RFC 8259",
        arguments: [
            ("null", .null), ("true", .true), ("false", .false), ("{}", .object), ("[]", .array), (#""""#, .string),
            (" \t\n\r[ \t\n\r] \t\n\r", .array), (" \t\n\r{ \t\n\r} \t\n\r", .object), ("[[]   ]", .array),
            (#"["a"]"#, .array), ("[null, 1, \"1\", {}]", .array), ("[1\n]", .array), (" [1]", .array),
            ("[1,null,null,null,2]", .array), ("[2] ", .array), (#"{"a" : 1 , "b":[ ] }"#, .object),
            (#"{"asd":"sdf", "dfg":"fgh"}"#, .object), (#"{"a":"b","a":"c"}"#, .object), (#"{"":0}"#, .object),
            (#"{"foo\u0000bar": 42}"#, .object), (#"{"min": -1.0e+28, "max": 1.0e+28}"#, .object),
            (#"{"a":[]}"#, .object), (#"{"title":"\u041f\u043e\u043b"}"#, .object), ("{\n\"a\": \"b\"\n}", .object),
            ("\"\u{7f}\"", .string), ("[\"a\u{7f}a\"]", .array), (#""\u0061\u30af\u30EA\u30b9""#, .string),
            ("\"\u{2028}\u{2029}\u{feff}\u{10ffff}\u{ffff}\u{200b}\"", .string), ("\"€𝄞\"", .string),
            (#""\"\\\/\b\f\n\r\t""#, .string), (#""\\u0000""#, .string), (#""\\\"""#, .string), (#""\\a""#, .string),
            (#""\uD801\udc37""#, .string), (#""\ud83d\ude39\ud83d\udc8d""#, .string), (#""a/*b*/c/*d//e""#, .string),
            (#""\uDBFF\uDFFF\uFFFE\uFDD0\u200B\u2064""#, .string), (#"" ""#, .string), (#""\u0022\u005C""#, .string),
            (#""\ud800""#, .string), (#""\udc00\ud800""#, .string), (#""\ud800\n""#, .string), (#"["\u0000"]"#, .array),
        ] as [(String, JSONKind)]
    )
    func valid(text: String, kind: JSONKind) {
        #expect(scan(text) == .success(kind))
    }

    @Test(
        "accepts every form of number, however large",
        arguments: [
            "0", "-0", "1", "-1", "10", "123", "1.0", "-1.5", "0.1", "0e1", "0e+1", "0E-1", "1e2", "1E+2", "1e-2",
            "1.5e3",
            "-0.0e-0", "123.456e78", "1e00", "1e0001", "0.0000000000000000000000000000000000001", "20e1", "-123",
            "-237462374673276894279832749832423479823246327846", "100000000000000000000000000000000000001",
            "0.4e006699",
            "123123e100000", "-123123e100000", "1.5e+9999", "123.456789", "1e-10000", "18446744073709551616", "1E22",
            "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001", "9223372036854775808",
        ]
    )
    func numbers(text: String) {
        #expect(scan(text) == .success(.number))
        #expect(scan("[\(text)]") == .success(.array))
        #expect(scan(#"{"a":\#(text)}"#) == .success(.object))
        #expect(scan(" \(text)\n") == .success(.number))
    }

    @Test(
        "refuses what is no number",
        arguments: [
            ("-", .unexpectedEnd), ("01", .invalidNumber), ("-01", .invalidNumber), ("00", .invalidNumber),
            ("-00", .invalidNumber), ("012", .invalidNumber), ("-012", .invalidNumber), ("1.", .unexpectedEnd),
            ("-1.", .unexpectedEnd), ("1.e1", .invalidNumber), ("2.e+3", .invalidNumber), ("0.e1", .invalidNumber),
            ("1e", .unexpectedEnd), ("1E", .unexpectedEnd), ("1e+", .unexpectedEnd), ("1e-", .unexpectedEnd),
            ("0e", .unexpectedEnd), ("0E+", .unexpectedEnd), ("1.0e", .unexpectedEnd), ("1.0e-", .unexpectedEnd),
            ("1eE2", .invalidNumber), ("1e+-2", .invalidNumber), ("0.3e+x", .invalidNumber), ("--1", .invalidNumber),
            ("-a", .invalidNumber), ("-.123", .invalidNumber), ("-Infinity", .invalidNumber), ("-NaN", .invalidNumber),
            ("- 1", .invalidNumber), ("1.-2", .invalidNumber), ("+1", .unexpectedByte), ("++1", .unexpectedByte),
            (".1", .unexpectedByte), (".-1", .unexpectedByte), (".2e-3", .unexpectedByte), ("Inf", .unexpectedByte),
            ("Infinity", .unexpectedByte), ("NaN", .unexpectedByte), ("１", .unexpectedByte), ("1 000", .trailingBytes),
            ("0x1", .trailingBytes), ("0x42", .trailingBytes), ("1+2", .trailingBytes), ("0.1.2", .trailingBytes),
            ("1.8011670033376514H-308", .trailingBytes), ("123\0", .trailingBytes), ("1a", .trailingBytes),
            ("1e1e1", .trailingBytes), ("1-", .trailingBytes), ("1_000", .trailingBytes), ("1d", .trailingBytes),
        ] as [(String, JSONFault.Reason)]
    )
    func notNumbers(text: String, reason: JSONFault.Reason) {
        expect(text, reason)
        #expect(throws: JSONFault.self) { try scan("[\(text)]").get() }
    }

    @Test(
        "refuses what breaks the structure, and says where",
        arguments: [
            ("", .unexpectedEnd, 0), (" ", .unexpectedEnd, 1), ("[", .unexpectedEnd, 1), ("{", .unexpectedEnd, 1),
            ("[1", .unexpectedEnd, 2), ("[1,", .unexpectedEnd, 3), ("[1,\n1\n,1", .unexpectedEnd, 8),
            (#"{"a""#, .unexpectedEnd, 4), (#"{"a":"#, .unexpectedEnd, 5), (#"{"a":1"#, .unexpectedEnd, 6),
            (#"{"a":1,"#, .unexpectedEnd, 7), ("[{}", .unexpectedEnd, 3), ("[[", .unexpectedEnd, 2),
            ("]", .unexpectedByte, 0), ("}", .unexpectedByte, 0), (",", .unexpectedByte, 0), (":", .unexpectedByte, 0),
            ("[,1]", .unexpectedByte, 1), ("[,]", .unexpectedByte, 1), ("[1,]", .unexpectedByte, 3),
            ("[1,,2]", .unexpectedByte, 3), ("[1 true]", .unexpectedByte, 3), ("[1:2]", .unexpectedByte, 2),
            (#"["": 1]"#, .unexpectedByte, 3), ("[1}", .unexpectedByte, 2), ("{]", .unexpectedByte, 1),
            ("[3[4]]", .unexpectedByte, 2), ("[*]", .unexpectedByte, 1), ("['a']", .unexpectedByte, 1),
            ("[a]", .unexpectedByte, 1), ("[\u{b}1]", .unexpectedByte, 1), ("[\u{c}]", .unexpectedByte, 1),
            ("[\u{a0}]", .unexpectedByte, 1), ("[\u{2060}]", .unexpectedByte, 1), ("{,}", .unexpectedByte, 1),
            ("{1:1}", .unexpectedByte, 1), ("{null:null}", .unexpectedByte, 1), ("{a: 1}", .unexpectedByte, 1),
            ("{'a':0}", .unexpectedByte, 1), (#"{"a","b"}"#, .unexpectedByte, 4), (#"{"a" 1}"#, .unexpectedByte, 5),
            (#"{"a"::1}"#, .unexpectedByte, 5), (#"{"a":}"#, .unexpectedByte, 5), (#"{"a":1,}"#, .unexpectedByte, 7),
            (#"{"a":1,,"b":2}"#, .unexpectedByte, 7), (#"{"a":"a" 123}"#, .unexpectedByte, 9),
            (#"{"a":true]"#, .unexpectedByte, 9), (#"{"a":1 "b":2}"#, .unexpectedByte, 7),
            ("nul", .unexpectedEnd, 3), ("tru", .unexpectedEnd, 3), ("[fals", .unexpectedEnd, 5),
            ("nulx", .unexpectedByte, 3), ("nux", .unexpectedByte, 2), ("[fals]", .unexpectedByte, 5),
            ("[True]", .unexpectedByte, 1), ("TRUE", .unexpectedByte, 0), ("[nan]", .unexpectedByte, 2),
            ("[no]", .unexpectedByte, 2), ("\0", .unexpectedByte, 0), ("[\0]", .unexpectedByte, 1),
            ("\u{feff}{}", .unexpectedByte, 0), ("\u{feff}", .unexpectedByte, 0), ("/*a*/1", .unexpectedByte, 0),
            ("<.>", .unexpectedByte, 0), ("é", .unexpectedByte, 0), ("[1/*a*/]", .unexpectedByte, 2),
            ("[]]", .trailingBytes, 2), ("{}}", .trailingBytes, 2), ("[] x", .trailingBytes, 3),
            ("1 1", .trailingBytes, 2), ("[1],", .trailingBytes, 3), (#""""""#, .trailingBytes, 2),
            ("{}#", .trailingBytes, 2), ("{}/**/", .trailingBytes, 2), ("{}\0", .trailingBytes, 2),
            ("nulll", .trailingBytes, 4), ("truefalse", .trailingBytes, 4), ("[]\u{feff}", .trailingBytes, 2),
        ] as [(String, JSONFault.Reason, Int)]
    )
    func invalidStructure(text: String, reason: JSONFault.Reason, offset: Int) {
        #expect(scan(text) == .failure(JSONFault(reason, at: offset)))
    }

    @Test("accepts nesting at the limit and refuses it one beyond", arguments: [1, 2, 3, 64, 128])
    func depth(limit: Int) {
        for (open, close) in [("[", "]"), (#"{"a":"#, "}"), (#"[{"a":"#, "}]")] {
            let each = open.hasPrefix("[{") ? 2 : 1
            guard limit % each == 0 else { continue }
            let count = limit / each
            let inner = open == "[" ? "" : "1"
            let deepest = String(repeating: open, count: count) + inner + String(repeating: close, count: count)
            #expect((try? scan(deepest, depthMax: limit).get()) != nil)
            expect("[\(deepest)]", .tooDeep, depthMax: limit)
            expect(#"[1,{"a":2},\#(deepest)]"#, .tooDeep, depthMax: limit)
        }
    }

    @Test("refuses a hundred thousand open brackets at the limit, not by running out of stack")
    func manyBrackets() {
        let text = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        #expect(scan(text) == .failure(JSONFault(.tooDeep, at: 64)))
    }

    @Test("counts depth by what is open, not by how many values there are")
    func width() {
        let flat = "[" + Array(repeating: "[[]]", count: 5000).joined(separator: ",") + "]"
        #expect(scan(flat, depthMax: 3) == .success(.array))
        expect(flat, .tooDeep, depthMax: 2)
    }

    @Test("refuses a document that ends early, wherever that is")
    func truncations() {
        let whole = #" {"a\n\u00e9é😀":[1,-2.5e+10,true,false,null,"x\ud83d\ude00",{"":{}},[]],"b":{"c":[[0]]}}"#
        let bytes = Array(whole.utf8)
        #expect(scan(bytes) == .success(.object))
        for count in 0..<bytes.count {
            #expect(throws: JSONFault.self, "cut after \(count) bytes") { try scan(Array(bytes[..<count])).get() }
        }
    }

    @Test("refuses any text between or after tokens in place of white space")
    func onlyWhiteSpace() {
        for byte in UInt8.min...UInt8.max {
            let isWhiteSpace = [0x20, 0x09, 0x0a, 0x0d].contains(byte)
            let texts: [[UInt8]] = [[byte, 0x5b, 0x5d], [0x5b, byte, 0x5d], [0x5b, 0x5d, byte]]
            for (place, text) in texts.enumerated() where !(place == 1 && (0x30...0x39).contains(byte)) {
                #expect((try? scan(text).get()) == (isWhiteSpace ? .array : nil), "byte \(byte)")
            }
        }
    }

    private func expect(_ text: String, _ reason: JSONFault.Reason, depthMax: Int = 64) {
        guard case .failure(let fault) = scan(text, depthMax: depthMax) else {
            Issue.record("accepted: \(text)")
            return
        }
        #expect(fault.reason == reason, "\(text)")
    }
}
