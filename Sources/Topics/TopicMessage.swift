import Bytes
import JSON
import Store
import Valkey

/// A stream's entry as a message, lent as long as the reply that holds it.
struct TopicMessage {
    private let fields: Reply
    private var message: ByteView?
    private var orderKey: ByteView?
    private var isDead = false

    /// Takes an entry's fields: names and values in turn.
    init(_ fields: Reply) {
        self.fields = fields
        TopicMessage.forEach(fields) { name, value in
            if name.equals("message") { message = value }
            if name.equals("order_key") { orderKey = value }
            if name.equals("dead_reason") { isDead = true }
        }
    }

    private static func forEach(_ fields: Reply, _ body: (ByteView, ByteView) -> Void) {
        var words = fields.elements()
        while let name = words.next(), let value = words.next() { body(name.bytes, value.bytes) }
    }

    /// Appends the message, and its order key where it has one: members of an object without a comma around them.
    func append(to buffer: inout ByteBuffer, depthMax: Int) {
        if let message {
            let form = StoredValue.form(message, depthMax: depthMax)
            switch form {
            case .json: buffer.append("\"message\":")
            case .text: buffer.append("\"message_text\":")
            case .base64: buffer.append("\"message_base64\":")
            }
            StoredValue.append(message, as: form, to: &buffer)
        } else {
            appendFields(to: &buffer)
        }
        guard let orderKey else { return }
        buffer.append(",\"order_key\":")
        append(text: orderKey, to: &buffer)
    }

    /// Appends what the entry of another program holds.
    private func appendFields(to buffer: inout ByteBuffer) {
        buffer.append("\"fields\":{")
        var isFirst = true
        TopicMessage.forEach(fields) { name, value in
            if name.equals("order_key") || name.hasPrefix("dead_") { return }
            if !isFirst { buffer.append(UInt8(ascii: ",")) }
            isFirst = false
            append(text: name, to: &buffer)
            buffer.append(UInt8(ascii: ":"))
            append(text: value, to: &buffer)
        }
        buffer.append(UInt8(ascii: "}"))
    }

    /// Appends what a dead letter tells of its end; nothing for another message.
    func appendDeath(to buffer: inout ByteBuffer) {
        guard isDead else { return }
        buffer.append(",\"dead\":{")
        var isFirst = true
        TopicMessage.forEach(fields) { name, value in
            guard name.hasPrefix("dead_") else { return }
            if !isFirst { buffer.append(UInt8(ascii: ",")) }
            isFirst = false
            append(text: name.dropFirst(5), to: &buffer)
            buffer.append(UInt8(ascii: ":"))
            let isCount = name.equals("dead_deliveries") || name.equals("dead_fields")
            if isCount, let count = value.integer {
                buffer.append(decimal: count)
            } else {
                append(text: value, to: &buffer)
            }
        }
        buffer.append(UInt8(ascii: "}"))
    }

    /// Appends bytes as a JSON string; what is not UTF-8 in them becomes U+FFFD.
    private func append(text: ByteView, to buffer: inout ByteBuffer) {
        if UTF8Validation.isValid(text) {
            buffer.append(jsonString: text)
        } else {
            buffer.append(jsonString: text.text())
        }
    }
}
