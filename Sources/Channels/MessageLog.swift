import Bytes
import JSON
import Store
import Valkey

/// The messages of a turn of the loop as they are written to connections: each once, however many it goes to.
struct MessageLog: ~Copyable {
    private let prefixLength: Int
    private let depthMax: Int
    private var buffer = ByteBuffer()
    private var bounds: [Range<Int>] = []
    /// Number of the message that was looked at last; 0 where none is in the log.
    private var number: UInt64 = 0
    private var isHandedOn = false
    private var form = StoredValue.Form.base64
    private var shared: (index: Int, body: [UInt8])?

    /// Bytes from which on the log should be emptied before another message.
    static let bytesHigh = 48 << 10
    /// A block of memory larger than this is given back when the log is emptied.
    private static let keptBytes = 64 << 10

    /// Writes messages of channels whose names begin with a prefix of `prefixLength` bytes, which is left out.
    init(prefixLength: Int, depthMax: Int) {
        self.prefixLength = prefixLength
        self.depthMax = depthMax
    }

    /// Whether the log should be emptied before `message` is added.
    func isFull(for message: PublishedMessage) -> Bool {
        message.number != number && buffer.count >= MessageLog.bytesHigh
    }

    /// Adds a message, unless it is the one that was added last.
    ///
    /// - Returns: Its index, or nil where it is not to be handed on: channels that begin with `__` are Valkey's own.
    mutating func add(_ message: PublishedMessage) -> Int? {
        if message.number != number {
            number = message.number
            isHandedOn = write(message)
        }
        return isHandedOn ? bounds.count - 1 : nil
    }

    private mutating func write(_ message: PublishedMessage) -> Bool {
        let channel = message.channel.dropFirst(min(prefixLength, message.channel.count))
        guard message.content.kind == .bulk, !channel.hasPrefix("__") else { return false }
        let start = buffer.count
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
        buffer.append(",\"sequence\":")
        bounds.append(start..<buffer.count)
        return true
    }

    /// Whether the message that was added last is JSON.
    var isJSON: Bool { form == .json }

    /// What is written of a message: its members up to the number, lent until the log changes.
    func body(_ index: Int) -> ByteView { buffer.view[bounds[index]] }

    /// The same as ``body(_:)``, kept; all who ask for one message get the same memory.
    mutating func sharedBody(_ index: Int) -> [UInt8] {
        if let shared, shared.index == index { return shared.body }
        let body = body(index).copy()
        shared = (index, body)
        return body
    }

    /// Empties the log.
    mutating func removeAll() {
        guard number != 0 else { return }
        buffer.removeAll(keepingCapacityUpTo: MessageLog.keptBytes)
        bounds.removeAll(keepingCapacity: bounds.capacity <= 1024)
        number = 0
        shared = nil
    }
}
