import Bytes
import JSON

/// The scanner accepts what jansson accepts, but for the listed differences, and means the same by it.
enum ScannerFuzzing {
    static func run(_ input: ByteView) {
        if let fault = JanssonComparison.fault(input) { fatalError(fault) }
        checkLines(input)
    }

    /// A value that was put on one line is the same value.
    private static func checkLines(_ input: ByteView) {
        guard let value = try? JSONScanner.scan(input, depthMax: 64) else { return }
        var line = ByteBuffer()
        line.append(jsonText: value.text)
        precondition(line.count == value.text.count, "a value on one line has another length")
        precondition(line.view.firstIndex(of: UInt8(ascii: "\n")) == nil, "a newline is left")
        guard let again = try? JSONScanner.scan(line.view, depthMax: 64) else { fatalError("one line is refused") }
        precondition(again.kind == value.kind && again.text.count == value.text.count, "one line is another value")
    }
}
