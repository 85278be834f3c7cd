import Bytes
import JSON
public import Linux

/// Records of what the agent does, for people and programs: to the journal, or one line each on standard error.
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
    public enum Format: String, Sendable, CaseIterable {
        /// ``journal`` where standard error leads to the journal, else ``text``.
        case automatic = "auto"
        /// One line of `name=value` fields, for people.
        case text
        /// One JSON object a line, for programs.
        case json
        /// To the journal, with each field under a name of its own; a line for people where the journal is not there.
        case journal
    }

    /// Where the journal takes records in its own form.
    public static let journalPath = "/run/systemd/journal/socket"

    /// What varies in a record.
    public typealias Fields = KeyValuePairs<StaticString, String>

    private struct Settings {
        var level: Level
        var format: Format
        var dropped: UInt64 = 0
        var journal: JournalSocket?
    }

    private let descriptor: Int32
    private let isJournalStream: Bool
    private let journalPath: String
    private let lock = ThreadLock()
    // Guarded by `lock`.
    nonisolated(unsafe) private var settings: Settings

    /// Writes to the open descriptor `descriptor`, which stays the caller's, or to the journal.
    ///
    /// - Parameters:
    ///   - descriptor: Where lines go.
    ///   - level: Least grave level that is written.
    ///   - format: How records are written.
    ///   - environment: `JOURNAL_STREAM` is read, by which systemd says that a service's output is the journal's.
    ///   - journalPath: The journal's socket.
    public init(
        descriptor: Int32 = 2,
        level: Level = .info,
        format: Format = .text,
        environment: ProcessEnvironment = .current,
        journalPath: String = Log.journalPath
    ) {
        self.descriptor = descriptor
        let stream = environment["JOURNAL_STREAM"]
        isJournalStream = stream != nil && stream == Descriptors.identity(of: descriptor)
        self.journalPath = journalPath
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

    private func sendToJournal(_ level: Level, _ message: StaticString, _ fields: Fields) -> Bool {
        let journal = lock.withLock { () -> JournalSocket? in
            if unsafe settings.journal == nil { unsafe settings.journal = JournalSocket(journalPath) }
            return unsafe settings.journal
        }
        guard let journal else { return false }
        var record = ByteBuffer()
        JournalRecord.append(to: &record, level, message, fields)
        return journal.send(record.view)
    }

    private func write(_ level: Level, _ message: StaticString, _ fields: Fields) {
        let format = lock.withLock { () -> Format? in
            unsafe settings.level >= level ? settings.format : nil
        }
        guard let format else { return }
        let isToJournal = format == .journal || format == .automatic && isJournalStream
        if isToJournal, sendToJournal(level, message, fields) { return }
        var line = ByteBuffer()
        if format == .json {
            LogLine.appendJSON(to: &line, level, message, fields)
        } else {
            // The prefix by which the journal, where it reads the stream, knows a line's level (sd-daemon(3)).
            if isToJournal, isJournalStream { line.append(text: "<\(level.rawValue)>") }
            LogLine.appendText(to: &line, level, message, fields)
        }
        line.append(UInt8(ascii: "\n"))
        // A reader that has stopped must not stop the agent: what does not fit is counted and dropped.
        guard Descriptors.isWritable(descriptor), Descriptors.write(line.view, to: descriptor) else {
            lock.withLock { unsafe settings.dropped += 1 }
            return
        }
    }
}
