import Bytes
import Testing

@testable import Store

@Suite("Values as stored")
struct StoredValueTests {
    private func member(_ bytes: [UInt8]) -> String {
        var buffer = ByteBuffer()
        bytes.withByteView { StoredValue.append($0, to: &buffer, depthMax: 3) }
        return buffer.view.text()
    }

    @Test("that are JSON are handed out as they are, on one line")
    func json() {
        #expect(member(Array(#"{"a": 1.00}"#.utf8)) == #""value":{"a": 1.00}"#)
        #expect(member(Array("[1,\n2\r\n]".utf8)) == #""value":[1, 2  ]"#)
        #expect(member(Array("null".utf8)) == #""value":null"#)
    }

    @Test("that are not JSON are handed out as text, and as Base64 where they are not text")
    func foreign() {
        #expect(member(Array(#"say "hi""#.utf8)) == #""text":"say \"hi\"""#)
        #expect(member([]) == #""text":"""#)
        #expect(member([0xff, 0x00]) == #""base64":"/wA=""#)
        #expect(member(Array("[[[[1]]]]".utf8)) == #""text":"[[[[1]]]]""#)
    }
}
