import Bytes
import JSON

/// What the scanner makes of a text that is to be one value: its kind, or the first fault.
func scan(_ text: [UInt8], depthMax: Int = 64) -> Result<JSONKind, JSONFault> {
    text.withByteView { view in
        do throws(JSONFault) {
            return .success(try JSONScanner.scan(view, depthMax: depthMax).kind)
        } catch {
            return .failure(error)
        }
    }
}

/// What the scanner makes of a text that is to be one value: its kind, or the first fault.
func scan(_ text: String, depthMax: Int = 64) -> Result<JSONKind, JSONFault> {
    scan(Array(text.utf8), depthMax: depthMax)
}

/// Lends the value that `text` is to `body`.
func withValue<Result>(_ text: String, _ body: (JSONValue) throws -> Result) throws -> Result {
    try text.withByteView { view in
        try body(JSONScanner.scan(view, depthMax: 64))
    }
}
