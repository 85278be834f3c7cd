import Bytes
import Linux

/// A record in the journal's own form (systemd.io/JOURNAL_NATIVE_PROTOCOL).
enum JournalRecord {
    /// Bytes of one field's value that are kept; a datagram holds about 200 KiB.
    static let valueBytesMax = 8 << 10

    /// Appends a record whose message is that of a text line, with each field under a name of its own beside it.
    ///
    /// A field `trace_id` becomes `SQUIRE_TRACE_ID`, and the constant part of the message `SQUIRE_EVENT`, so that
    /// `journalctl SQUIRE_EVENT='…'` finds all records of a kind.
    static func append(
        to record: inout ByteBuffer,
        _ level: Log.Level,
        _ message: StaticString,
        _ fields: Log.Fields
    ) {
        var text = ByteBuffer()
        LogLine.appendWords(to: &text, message, fields)
        append(ByteView("MESSAGE"), text.view, to: &record)
        String(level.rawValue).withByteView { append(ByteView("PRIORITY"), $0, to: &record) }
        append(ByteView("SYSLOG_IDENTIFIER"), ByteView("squired"), to: &record)
        append(ByteView("SQUIRE_EVENT"), ByteView(message), to: &record)
        for (name, value) in fields {
            var fieldName = ByteBuffer()
            fieldName.append("SQUIRE_")
            let bytes = ByteView(name)
            for index in 0..<bytes.count {
                let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[index])
                fieldName.append(isLetter ? bytes[index] - 0x20 : bytes[index])
            }
            value.withByteView { append(fieldName.view, $0, to: &record) }
        }
    }

    /// Appends `NAME=value`, or where a line break is in the value, name, length and value.
    private static func append(_ name: ByteView, _ value: ByteView, to record: inout ByteBuffer) {
        let value = value.prefix(min(value.count, valueBytesMax))
        record.append(name)
        if value.firstIndex(of: UInt8(ascii: "\n")) == nil {
            record.append(UInt8(ascii: "="))
        } else {
            record.append(UInt8(ascii: "\n"))
            for shift in 0..<8 { record.append(UInt8(truncatingIfNeeded: value.count >> (8 * shift))) }
        }
        record.append(value)
        record.append(UInt8(ascii: "\n"))
    }
}
