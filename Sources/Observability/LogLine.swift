import Bytes
import JSON
import Linux

/// The text of one log record.
enum LogLine {
    /// Appends `2026-01-31T23:59:59.999Z notice: connected store=cache`.
    static func appendText(
        to line: inout ByteBuffer,
        _ level: Log.Level,
        _ message: StaticString,
        _ fields: Log.Fields
    ) {
        line.append(text: CalendarTime.text(WallClock.milliseconds))
        line.append(UInt8(ascii: " "))
        line.append(text: level.name)
        line.append(": ")
        appendWords(to: &line, message, fields)
    }

    /// Appends `connected store=cache`.
    static func appendWords(to line: inout ByteBuffer, _ message: StaticString, _ fields: Log.Fields) {
        line.append(message)
        for (name, value) in fields {
            line.append(UInt8(ascii: " "))
            line.append(name)
            line.append(UInt8(ascii: "="))
            if isPlain(value) {
                line.append(text: value)
            } else {
                line.append(jsonString: value)
            }
        }
    }

    /// Appends `{"time":"…","level":"notice","message":"connected","store":"cache"}`.
    static func appendJSON(
        to line: inout ByteBuffer,
        _ level: Log.Level,
        _ message: StaticString,
        _ fields: Log.Fields
    ) {
        line.append("{\"time\":")
        line.append(jsonString: CalendarTime.text(WallClock.milliseconds))
        line.append(",\"level\":")
        line.append(jsonString: level.name)
        line.append(",\"message\":")
        line.append(jsonString: ByteView(message))
        for (name, value) in fields {
            line.append(",")
            line.append(jsonString: ByteView(name))
            line.append(":")
            line.append(jsonString: value)
        }
        line.append("}")
    }

    private static func isPlain(_ value: String) -> Bool {
        !value.isEmpty
            && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 < 0x7f }
    }
}
