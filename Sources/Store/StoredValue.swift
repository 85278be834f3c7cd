public import Bytes
import JSON

/// A value as it lies in Valkey: usually JSON text of ours, but any Redis client may have written anything.
public enum StoredValue {
    /// Appends the members that stand for `bytes`: `"value":…`, or `"text":…` or `"base64":…` for what is not JSON.
    ///
    /// - Parameters:
    ///   - bytes: The value as stored.
    ///   - buffer: Receives one member of an object, without a comma.
    ///   - depthMax: Deepest nesting that passes as JSON; deeper text is handed out as text.
    public static func append(_ bytes: ByteView, to buffer: inout ByteBuffer, depthMax: Int) {
        let form = form(bytes, depthMax: depthMax)
        switch form {
        case .json: buffer.append("\"value\":")
        case .text: buffer.append("\"text\":")
        case .base64: buffer.append("\"base64\":")
        }
        append(bytes, as: form, to: &buffer)
    }

    /// How stored bytes are handed out.
    public enum Form {
        /// As the JSON that they are.
        case json
        /// As text.
        case text
        /// In Base64.
        case base64
    }

    /// Tells what `bytes` are.
    public static func form(_ bytes: ByteView, depthMax: Int) -> Form {
        if (try? JSONScanner.scan(bytes, depthMax: depthMax)) != nil { return .json }
        return UTF8Validation.isValid(bytes) ? .text : .base64
    }

    /// Appends `bytes` as the JSON value that their form asks for.
    public static func append(_ bytes: ByteView, as form: Form, to buffer: inout ByteBuffer) {
        switch form {
        case .json:
            buffer.append(jsonText: bytes)
        case .text:
            buffer.append(jsonString: bytes)
        case .base64:
            buffer.append(UInt8(ascii: "\""))
            Base64.encode(bytes, to: &buffer)
            buffer.append(UInt8(ascii: "\""))
        }
    }
}
