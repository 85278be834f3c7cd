import Bytes
import JSON
import Linux

/// Records of what the agent does, for people and programs: one line each on standard error.
///
/// Levels: `error` for lost service, `warning` for what needs attention soon, `notice` for changes of state, `info` for
/// the ordinary course of things, `debug` for internals. The message is a constant; what varies goes into fields.
/// Fields never hold a key, a value or a secret.
public final class Log: Sendable {
    /// How grave a record is, gravest first; the numbers are those of syslog (RFC 5424).
    public enum Level: Int, Sendable, CaseIterable, Comparable {
        case error = 3
        case warning = 4
        case notice = 5
        case info = 6
        case debug = 7

        /// Orders by gravity, gravest first.
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        /// The level's name, such as `notice`.
        public var name: String {
            switch self {
            case .error: "error"
            case .warning: "warning"
            case .notice: "notice"
            case .info: "info"
            case .debug: "debug"
            }
        }
    }

    /// How records are written.
    public enum Format: Sendable {
        /// One line of `name=value` fields, for people.
        case text
        /// One JSON object a line, for programs.
        case json
    }

    /// What varies in a record.
    public typealias Fields = KeyValuePairs<StaticString, String>

    private struct Settings {
        var level: Level
        var format: Format
        var dropped: UInt64 = 0
    }

    private let descriptor: Int32
    private let lock = ThreadLock()
    // Guarded by `lock`.
    nonisolated(unsafe) private var settings: Settings

    /// Writes to the open descriptor `descriptor`, which stays the caller's.
    public init(descriptor: Int32 = 2, level: Level = .info, format: Format = .text) {
        self.descriptor = descriptor
        unsafe settings = Settings(level: level, format: format)
    }

    /// Least grave level that is written.
    public var level: Level {
        get { lock.withLock { unsafe settings.level } }
        set { lock.withLock { unsafe settings.level = newValue } }
    }

    /// How records are written from now on.
    public var format: Format {
        get { lock.withLock { unsafe settings.format } }
        set { lock.withLock { unsafe settings.format = newValue } }
    }

    /// Records that could not be written because nobody read them.
    public var dropped: UInt64 { lock.withLock { unsafe settings.dropped } }

    /// Writes a record of lost service.
    public func error(_ message: StaticString, _ fields: Fields = [:]) { write(.error, message, fields) }

    /// Writes a record of what needs attention soon.
    public func warning(_ message: StaticString, _ fields: Fields = [:]) { write(.warning, message, fields) }

    /// Writes a record of a change of state.
    public func notice(_ message: StaticString, _ fields: Fields = [:]) { write(.notice, message, fields) }

    /// Writes a record of the ordinary course of things.
    public func info(_ message: StaticString, _ fields: Fields = [:]) { write(.info, message, fields) }

    /// Writes a record of internals.
    public func debug(_ message: StaticString, _ fields: @autoclosure () -> Fields = [:]) {
        guard level >= .debug else { return }
        write(.debug, message, fields())
    }

    private func write(_ level: Level, _ message: StaticString, _ fields: Fields) {
        let format = lock.withLock { () -> Format? in
            unsafe settings.level >= level ? settings.format : nil
        }
        guard let format else { return }
        var line = ByteBuffer()
        switch format {
        case .text: LogLine.appendText(to: &line, level, message, fields)
        case .json: LogLine.appendJSON(to: &line, level, message, fields)
        }
        line.append(UInt8(ascii: "\n"))
        // A reader that has stopped must not stop the agent: what does not fit is counted and dropped.
        guard Descriptors.isWritable(descriptor), Descriptors.write(line.view, to: descriptor) else {
            lock.withLock { unsafe settings.dropped += 1 }
            return
        }
    }
}
