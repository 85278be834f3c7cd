import Glibc
import Linux

/// The append-only file of a server that was killed.
///
/// A crash in the middle of a write leaves a transaction that is not whole. Valkey and Redis (8.0.1, 7.0.15; seen) cut
/// the file behind the last whole command in it, not before the transaction: the commands before the cut stand there
/// without their `EXEC`, and are executed with the next transaction when the file is read once more. Tests that crash
/// servers again and again look at what the agent does, so they take the torn transaction out, as an operator does with
/// `valkey-check-aof --fix`.
enum AppendOnlyFile {
    /// Cuts what is not whole off the newest file of `directory`; does nothing where there is none.
    static func dropTornTransaction(in directory: String) throws {
        let folder = "\(directory)/appendonlydir"
        let names = Directory.names(in: folder).filter { $0.hasSuffix(".incr.aof") }
        guard let newest = names.max(by: { number($0) < number($1) }) else { return }
        let path = "\(folder)/\(newest)"
        let bytes = try File.bytes(path)
        let whole = wholePrefix(of: bytes)
        guard whole < bytes.count else { return }
        guard unsafe truncate(path, whole) == 0 else { throw SystemError.current("truncate \(path)") }
    }

    /// The number in `appendonly.aof.12.incr.aof`.
    private static func number(_ name: String) -> Int {
        name.split(separator: ".").compactMap { Int($0) }.last ?? 0
    }

    /// Length of the beginning that holds whole commands, and of transactions whole ones.
    static func wholePrefix(of bytes: [UInt8]) -> Int {
        var position = 0
        var whole = 0
        var isInTransaction = false
        while let command = command(bytes, &position) {
            if command == "MULTI" { isInTransaction = true }
            if command == "EXEC" { isInTransaction = false }
            if !isInTransaction { whole = position }
        }
        return whole
    }

    /// Reads one command, or a line of notes, and returns its first word; nil where it is not whole.
    private static func command(_ bytes: [UInt8], _ position: inout Int) -> String? {
        var index = position
        guard let head = line(bytes, &index), let mark = head.first else { return nil }
        guard mark == "*", let count = Int(head.dropFirst()) else {
            position = index
            return head
        }
        var first = ""
        for word in 0..<count {
            guard let head = line(bytes, &index), let length = Int(head.dropFirst()), index + length + 2 <= bytes.count
            else { return nil }
            if word == 0 { first = String(decoding: bytes[index..<(index + length)], as: UTF8.self) }
            index += length + 2
        }
        position = index
        return first
    }

    /// Reads a line, whose end `\r\n` is passed over too; nil where it has none.
    private static func line(_ bytes: [UInt8], _ index: inout Int) -> String? {
        guard let end = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { index = end + 1 }
        return String(decoding: bytes[index..<end].filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }
}
