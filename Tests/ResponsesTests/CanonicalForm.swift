import Bytes
import JSON

/// The canonical form of a JSON text.
func canonical(_ text: String) throws -> String {
    try Array(text.utf8).withByteView { view in
        var buffer = ByteBuffer()
        try CanonicalJSON.append(try JSONScanner.scan(view, depthMax: 64), to: &buffer)
        return buffer.view.text()
    }
}
