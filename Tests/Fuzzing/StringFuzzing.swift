import Bytes
import JSON

/// Strings mean what their escapes mean, and what is written is read back.
enum StringFuzzing {
    static func run(_ input: ByteView) {
        checkDecoding(input)
        checkWriting(input)
    }

    /// Takes the input for the text between quotes.
    private static func checkDecoding(_ input: ByteView) {
        var quoted = ByteBuffer()
        quoted.append(UInt8(ascii: "\""))
        quoted.append(input)
        quoted.append(UInt8(ascii: "\""))
        if let fault = JanssonComparison.fault(quoted.view) { fatalError(fault) }
        guard let string = (try? JSONScanner.scan(quoted.view, depthMax: 1))?.string else { return }
        let shown = string.decoded()
        precondition(string.hasEscapes == (string.raw.firstIndex(of: UInt8(ascii: "\\")) != nil), "hasEscapes is wrong")
        var meaning = ByteBuffer()
        do throws(JSONFault) {
            try string.append(to: &meaning)
            precondition(meaning.view.equals(shown), "decoded() differs from append(to:)")
        } catch {
            precondition(error.reason == .loneSurrogate, "a scanned string cannot be decoded: \(error)")
            precondition(string.raw[error.offset..<(error.offset + 2)].equals("\\u"), "the fault is elsewhere")
            precondition(shown.utf8.count >= meaning.count + 3, "decoded() lost what the half of a pair follows")
        }
        precondition(string.equals("key") == shown.utf8.elementsEqual("key".utf8), "equals is wrong")
    }

    /// Takes the input for the meaning of a string.
    private static func checkWriting(_ input: ByteView) {
        let isText = UTF8Validation.isValid(input)
        precondition(isText == (String(validating: input.copy(), as: UTF8.self) != nil), "Swift sees UTF-8 otherwise")
        guard isText else { return }
        var written = ByteBuffer()
        written.append(jsonString: input)
        guard let string = (try? JSONScanner.scan(written.view, depthMax: 1))?.string else {
            fatalError("what was written is no string")
        }
        var meaning = ByteBuffer()
        guard (try? string.append(to: &meaning)) != nil, meaning.view.equals(input) else {
            fatalError("what was written means something else")
        }
    }
}

extension ByteView {
    /// Whether the bytes are the UTF-8 of `text`.
    fileprivate func equals(_ text: String) -> Bool {
        text.withByteView { equals($0) }
    }
}
