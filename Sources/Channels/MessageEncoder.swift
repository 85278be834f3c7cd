import Bytes
import JSON
import Store
import Valkey

/// Writes a message once, however many subscriptions it goes to.
struct MessageEncoder: ~Copyable {
    private let prefixLength: Int
    private let depthMax: Int
    private var number: UInt64 = 0
    private var form = StoredValue.Form.base64
    private var buffer = ByteBuffer()
    private var shared: [UInt8]?

    /// Buffers larger than this are given back with the next message.
    private static let keptBytes = 64 << 10

    /// Writes messages of channels whose names begin with a prefix of `prefixLength` bytes, which is left out.
    init(prefixLength: Int, depthMax: Int) {
        self.prefixLength = prefixLength
        self.depthMax = depthMax
    }

    /// Writes `message`, unless it is the one that was written last.
    ///
    /// - Returns: Whether it is one to be handed on: channels that begin with `__` are Valkey's own.
    mutating func encode(_ message: PublishedMessage) -> Bool {
        guard message.number != number else { return !buffer.isEmpty }
        number = message.number
        shared = nil
        buffer.removeAll(keepingCapacityUpTo: MessageEncoder.keptBytes)
        let channel = message.channel.dropFirst(min(prefixLength, message.channel.count))
        guard message.content.kind == .bulk, !channel.hasPrefix("__") else { return false }
        if UTF8Validation.isValid(channel) {
            buffer.append("\"channel\":")
            buffer.append(jsonString: channel)
        } else {
            buffer.append("\"channel_base64\":")
            StoredValue.append(channel, as: .base64, to: &buffer)
        }
        form = StoredValue.form(message.content.bytes, depthMax: depthMax)
        switch form {
        case .json: buffer.append(",\"message\":")
        case .text: buffer.append(",\"message_text\":")
        case .base64: buffer.append(",\"message_base64\":")
        }
        StoredValue.append(message.content.bytes, as: form, to: &buffer)
        return true
    }

    /// Whether the message that was written last is JSON.
    var isJSON: Bool { form == .json }

    /// The members `channel` and `message` of the last message, lent until the next.
    var body: ByteView { buffer.view }

    /// The same as ``body``, kept; all who ask get the same memory.
    mutating func sharedBody() -> [UInt8] {
        if let shared { return shared }
        let copy = buffer.view.copy()
        shared = copy
        return copy
    }
}
