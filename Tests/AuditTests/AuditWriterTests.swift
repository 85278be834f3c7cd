import Bytes
import Crypto
import Glibc
import Linux
import Observability
import TestSupport
import Testing

@testable import Audit

@Suite("The writer of an audit file")
struct AuditWriterTests {
    private static func writer(
        _ directory: String,
        file: String = "audit.ndjson",
        period: Duration = .seconds(1)
    ) throws -> AuditWriter {
        let log = Log(
            descriptor: try FileDescriptor.open("\(directory)/log", flags: O_WRONLY | O_CREAT | O_APPEND).release()
        )
        let path = file.hasPrefix("/") ? file : "\(directory)/\(file)"
        let writer = try AuditWriter(path: path, statePath: "\(directory)/state", log: log, period: period) {
            () throws(AuditKey.Fault) in
            try AuditKey.readOrMake("\(directory)/key").key
        }
        writer.start()
        return writer
    }

    private static func append(_ writer: AuditWriter, _ count: Int) {
        for index in 0..<count { "\"event\":\"call\",\"n\":\(index)".withByteView { _ = writer.append($0) } }
    }

    /// A writer whose file takes nothing, after so many records: it is full.
    private static func fullWriter(
        _ directory: String,
        records: Int
    ) async throws -> (writer: AuditWriter, path: String) {
        // Every write to this device fails for want of room.
        let path = "\(directory)/audit.ndjson"
        try #require(unsafe symlink("/dev/full", path) == 0)
        let writer = try Self.writer(directory)
        append(writer, 1)
        try await waitUntil("the writer knows") { writer.status.fault != nil }
        append(writer, records)
        try await waitUntil("the writer is full") { writer.status.isFull }
        return (writer, path)
    }

    private static func report(
        _ directory: String,
        _ files: String...,
        heads: [String] = []
    ) throws -> AuditVerification.Report {
        try AuditVerification.run(
            files.map { "\(directory)/\($0)" },
            keyPath: "\(directory)/key",
            heads: heads.compactMap { AuditVerifier.Head($0) }
        )
    }

    @Test("goes on with the chain after the end and a crash, and cuts off a line that was left half")
    func continued() async throws {
        try await withTemporaryDirectory { directory in
            let first = try Self.writer(directory)
            Self.append(first, 10)
            first.stop(within: .seconds(5))
            let second = try Self.writer(directory, period: .seconds(3600))
            Self.append(second, 10)
            try await waitUntil("the lines are written") { second.status.written == 10 }
            // As a crash leaves it: the state knows nothing of the last ten, and half a line follows them.
            let file = try FileDescriptor.open("\(directory)/audit.ndjson", flags: O_WRONLY | O_APPEND)
            "{\"seq\":21,\"ha".withByteView { _ = file.write($0) }
            #expect(try !Self.report(directory, "audit.ndjson").isValid)
            let third = try Self.writer(directory)
            Self.append(third, 1)
            third.stop(within: .seconds(5))
            let report = try Self.report(directory, "audit.ndjson")
            #expect(report.isValid && report.text.hasPrefix("21 lines, 1 to 21"), "\(report.text)")
            #expect(try File.text("\(directory)/log").contains("lines=10"))
            second.stop(within: .seconds(5))
        }
    }

    @Test("goes on in a new file when the old one was renamed; both are one chain, whose head is told")
    func rotated() async throws {
        try await withTemporaryDirectory { directory in
            let writer = try Self.writer(directory)
            Self.append(writer, 5)
            try await waitUntil("the lines are written") { writer.status.written == 5 }
            try FileSystem.rename("\(directory)/audit.ndjson", to: "\(directory)/audit.1")
            writer.reopen()
            try await waitUntil("there is a new file") { File.exists("\(directory)/audit.ndjson") }
            Self.append(writer, 5)
            writer.stop(within: .seconds(5))
            #expect(try Self.report(directory, "audit.1", "audit.ndjson").text.hasPrefix("10 lines, 1 to 10"))
            #expect(try Self.report(directory, "audit.ndjson").text.hasPrefix("5 lines, 6 to 10"))
            #expect(try !Self.report(directory, "audit.ndjson", "audit.1").isValid)
            let log = try File.text("\(directory)/log")
            let head = try #require(log.split(separator: "\n").first { $0.contains("audit head") })
            let told = String(head.split(separator: "=").last ?? "").filter { $0 != "\"" }
            #expect(told.hasPrefix("5:"))
            #expect(try Self.report(directory, "audit.1", heads: [told]).isValid)
            // A file that lost its last line.
            let text = try File.text("\(directory)/audit.1")
            let short = text.split(separator: "\n").dropLast().map { "\($0)\n" }.joined()
            try File.write(short, to: "\(directory)/short")
            #expect(try Self.report(directory, "short").isValid)
            #expect(try !Self.report(directory, "short", heads: [told]).isValid)
        }
    }

    @Test("counts records that it cannot keep while the disk is full, and says so in the file afterwards")
    func full() async throws {
        try await withTemporaryDirectory { directory in
            let (writer, path) = try await Self.fullWriter(directory, records: AuditWriter.recordsMax + 100)
            #expect(writer.status.dropped >= 100)
            let dropped = writer.status.dropped
            try FileSystem.remove(path)
            writer.reopen()
            try await waitUntil("the writer writes again") { writer.status.fault == nil && writer.status.written > 100 }
            Self.append(writer, 1)
            writer.stop(within: .seconds(5))
            let report = try Self.report(directory, "audit.ndjson")
            #expect(report.isValid, "\(report.text)")
            let lines = try File.text(path).split(separator: "\n")
            let told = lines.filter { $0.contains("\"event\":\"dropped\"") }
            #expect(told.count == 1 && told.first?.contains("\"records\":\(dropped)") == true)
        }
    }

    @Test("takes what it promised to take, though it is full by now")
    func promised() async throws {
        try await withTemporaryDirectory { directory in
            let (writer, path) = try await Self.fullWriter(directory, records: AuditWriter.recordsMax)
            for index in 0..<100 {
                #expect("\"event\":\"promised\",\"n\":\(index)".withByteView { writer.append($0, isPromised: true) })
                #expect("\"event\":\"other\"".withByteView { !writer.append($0) })
            }
            try FileSystem.remove(path)
            writer.reopen()
            try await waitUntil("the writer writes again") { writer.status.fault == nil && !writer.status.isFull }
            writer.stop(within: .seconds(5))
            #expect(try Self.report(directory, "audit.ndjson").isValid)
            let lines = try File.text(path).split(separator: "\n")
            #expect(lines.count { $0.contains("promised") } == 100)
            #expect(!lines.contains { $0.contains("\"other\"") })
        }
    }

    @Test("names objects the same over restarts, and so that nobody can read or guess them")
    func pseudonyms() async throws {
        try await withTemporaryDirectory { directory in
            let first = try Self.writer(directory)
            let name = "token".withByteView { first.pseudonym(of: $0) }
            first.stop(within: .seconds(5))
            let second = try Self.writer(directory)
            #expect("token".withByteView { second.pseudonym(of: $0) } == name)
            #expect("tokens".withByteView { second.pseudonym(of: $0) } != name)
            second.stop(within: .seconds(5))
            #expect(name.utf8.count == 32)
        }
    }

    @Test("does not begin with a state or a key that make no sense, or in a place where it may not write")
    func faults() async throws {
        try await withTemporaryDirectory { directory in
            let digits = String(repeating: "0", count: 64)
            for state in [
                "{}", "", "[]", #"{"next":1,"key":"","previous":"\#(digits)","object_key":"\#(digits)"}"#,
                #"{"next":0,"key":"\#(digits)","previous":"\#(digits)","object_key":"\#(digits)"}"#,
            ] {
                try File.write(state, to: "\(directory)/state")
                #expect(throws: AuditWriter.Fault.self, "\(state)") { try Self.writer(directory) }
            }
            try FileSystem.remove("\(directory)/state")
            try File.write("short", to: "\(directory)/key")
            #expect(throws: AuditWriter.Fault.self) { try Self.writer(directory) }
            try FileSystem.remove("\(directory)/key")
            #expect(throws: AuditWriter.Fault.self) { try Self.writer(directory, file: "\(directory)/no/audit") }
        }
    }
}
