import Bytes
import Valkey

/// The marks by which a stored value is told from what it means: the byte 0x01, which no JSON begins with, and a letter.
///
/// docs/reference/cache-entries.md describes them for other clients.
enum StoredMark {
    /// Before the lease of whoever computes an entry that is not there.
    static let lease: StaticString = "\u{01}L"
    /// Before raw bytes that begin with 0x01 themselves.
    static let raw: StaticString = "\u{01}R"

    /// The entry in a reply; nil where there is none, only a lease, or one that has a head.
    static func entry(_ reply: Reply) -> ByteView? {
        guard reply.kind == .bulk else { return nil }
        let value = reply.bytes
        guard isNeeded(before: value) else { return value }
        if value.hasPrefix(lease) || value.hasPrefix(EntryHead.mark) { return nil }
        return content(of: value)
    }

    /// What a stored value without a head means.
    static func content(of value: ByteView) -> ByteView {
        value.hasPrefix(raw) ? value.dropFirst(raw.utf8CodeUnitCount) : value
    }

    /// Whether a value needs a mark before it.
    static func isNeeded(before value: ByteView) -> Bool {
        !value.isEmpty && value[0] == 0x01
    }

    /// Appends a value, with its mark where it needs one.
    static func append(plain value: ByteView, to buffer: inout ByteBuffer) {
        if isNeeded(before: value) { buffer.append(raw) }
        buffer.append(value)
    }

    /// Appends a value as a word of a command, with its mark where it needs one.
    static func append(_ value: ByteView, to command: inout ByteBuffer) {
        guard isNeeded(before: value) else { return command.append(word: value) }
        command.append(wordOf: raw.utf8CodeUnitCount + value.count)
        command.append(raw)
        command.append(value)
        command.append("\r\n")
    }
}
