import Glibc
import Linux

/// The file that gets what an embedded server writes to its standard output and error.
///
/// It is there to tell why a server did not start. Servers write little into it, only what they call warnings.
struct EmbeddedServerLog: ~Copyable {
    /// The open file, at whose end is written.
    let descriptor: FileDescriptor
    /// Size of the file when it was opened.
    private let start: Int

    /// Size from which on the file is begun anew.
    static let bytesMax = 1 << 20
    /// Bytes at the file's end that are looked at for the last words.
    private static let tailBytes = 4096
    /// Longest last words that are quoted.
    private static let wordsMax = 300

    /// Opens `server.log` in `directory`.
    ///
    /// - Throws: `SystemError` of open(2).
    init(directory: String) throws(SystemError) {
        let flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW
        let file = try FileDescriptor.open("\(directory)/server.log", flags: flags)
        if file.fileBytes > Self.bytesMax { try file.empty() }
        start = file.fileBytes
        descriptor = file
    }

    /// What the server said last since the file was opened, in one line; nil where that was nothing of interest.
    var lastWords: String? {
        let offset = max(start, descriptor.fileBytes - Self.tailBytes)
        return Self.lastWords(of: descriptor.bytes(from: offset, limit: Self.tailBytes))
    }

    /// The last line of a log that is a warning, or else the last line.
    ///
    /// Without process id and time, so that two servers that fail alike say the same. Of a fault in the configuration
    /// the line before is quoted too: it has the setting, the last one what is wrong. Advice about the host, which every
    /// server gives at its start, is passed over, and so is the protocol of a check that follows a damaged file.
    static func lastWords(of log: [UInt8]) -> String? {
        let lines = log.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        let warnings = lines.compactMap(warning(of:))
        if let last = warnings.last(where: { !$0.hasPrefix("WARNING ") }) { return String(last.prefix(wordsMax)) }
        guard let last = lines.last(where: { warning(of: $0) == nil }) else { return nil }
        guard let before = lines.dropLast().last, before.hasPrefix(">>> ") else { return String(last.prefix(wordsMax)) }
        return String("\(before.dropFirst(4)): \(last)".prefix(wordsMax))
    }

    /// What follows the mark of the level, ` # `, in a line such as `12:M 31 Jan 2026 23:59:59.999 # Fatal error`.
    private static func warning(of line: String) -> String? {
        let words = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 6, omittingEmptySubsequences: false)
        guard words.count == 7, words[5].elementsEqual("#".utf8), words[0].contains(UInt8(ascii: ":")) else {
            return nil
        }
        return String(words[6])
    }
}
