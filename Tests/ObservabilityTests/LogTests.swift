import Bytes
import Glibc
import JSON
import Linux
import Observability
import TestSupport
import Testing

@Suite("The log")
struct LogTests {
    /// A datagram socket in the journal's place.
    private final class Journal {
        let path: String
        private let descriptor: FileDescriptor

        init(_ path: String) throws {
            self.path = path
            let type = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let made = FileDescriptor(owning: socket(AF_UNIX, type, 0))
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
            let status = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    unsafe bind(made.number, address, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard status == 0 else { throw SystemError.current("bind") }
            descriptor = made
        }

        /// The next record, as its bytes.
        func next() -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: 1 << 18)
            let count = unsafe recv(descriptor.number, &bytes, bytes.count, 0)
            return count >= 0 ? Array(bytes.prefix(count)) : nil
        }
    }

    private func withLog(
        _ format: Log.Format,
        level: Log.Level = .info,
        isStream: Bool = false,
        hasJournal: Bool = true,
        _ body: (Log, Journal?, () throws -> String) throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let file = try FileDescriptor.open("\(directory)/lines", flags: O_WRONLY | O_CREAT)
            let identity = try #require(Descriptors.identity(of: file.number))
            let journal = hasJournal ? try Journal("\(directory)/journal") : nil
            let log = Log(
                descriptor: file.number,
                level: level,
                format: format,
                environment: ProcessEnvironment(isStream ? ["JOURNAL_STREAM": identity] : ["JOURNAL_STREAM": "1:2"]),
                journalPath: "\(directory)/journal"
            )
            try body(log, journal) { try File.text("\(directory)/lines") }
        }
    }

    /// The bytes of a field whose value has no line break.
    private func line(_ text: String) -> [UInt8] { Array("\n\(text)\n".utf8) }

    @Test("goes to the journal in its own form, a field for each, where standard error leads there")
    func journal() async throws {
        try await withLog(.automatic, isStream: true) { log, journal, lines in
            log.warning("it is late", ["store": "cache", "trace_id": "abc", "words": "two\nlines"])
            let record = try #require(journal?.next())
            let text = [UInt8(ascii: "\n")] + record
            #expect(
                text.firstRange(of: line(#"MESSAGE=it is late store=cache trace_id=abc words="two\nlines""#)) != nil
            )
            #expect(text.firstRange(of: line("PRIORITY=4")) != nil)
            #expect(text.firstRange(of: line("SYSLOG_IDENTIFIER=squired")) != nil)
            #expect(text.firstRange(of: line("SQUIRE_EVENT=it is late")) != nil)
            #expect(text.firstRange(of: line("SQUIRE_STORE=cache")) != nil)
            #expect(text.firstRange(of: line("SQUIRE_TRACE_ID=abc")) != nil)
            let long = Array("\nSQUIRE_WORDS\n".utf8) + [9, 0, 0, 0, 0, 0, 0, 0] + Array("two\nlines\n".utf8)
            #expect(text.firstRange(of: long) != nil)
            let written = try lines()
            #expect(written == "")
        }
    }

    @Test("stays short enough for the journal, whatever a field holds")
    func bounded() async throws {
        try await withLog(.journal) { log, journal, _ in
            log.error(
                "long",
                ["a": String(repeating: "x", count: 1 << 20), "b": String(repeating: "\n", count: 1 << 20)]
            )
            let record = try #require(journal?.next())
            #expect(record.count < 32 << 10)
        }
    }

    @Test("falls back to lines with a level that the journal's stream knows, while the journal is away")
    func fallback() async throws {
        try await withLog(.automatic, isStream: true, hasJournal: false) { log, _, lines in
            log.error("alone", ["n": "1"])
            log.notice("still")
            let written = try lines().split(separator: "\n")
            #expect(written.count == 2)
            #expect(written.first?.hasPrefix("<3>") == true && written.first?.hasSuffix("error: alone n=1") == true)
            #expect(written.last?.hasPrefix("<5>") == true)
        }
    }

    @Test("is lines where standard error leads elsewhere, and never reaches the journal then")
    func text() async throws {
        for format in [Log.Format.automatic, .text] {
            try await withLog(format) { log, journal, lines in
                log.notice("here", ["a": "b c", "d": "e"])
                let written = try lines()
                #expect(written.hasSuffix("Z notice: here a=\"b c\" d=e\n"))
                #expect(journal?.next() == nil)
            }
        }
    }

    @Test("is one JSON object a line where that is asked for, whatever the fields hold")
    func json() async throws {
        try await withLog(.json, isStream: true) { log, journal, lines in
            log.info("said", ["quote": "a\"b\\\n\u{1}é"])
            log.debug("not heard")
            let written = try lines()
            #expect(written.count { $0 == "\n" } == 1)
            let record = try Document.parse(written)
            #expect(record["level"] == "info" && record["message"] == "said")
            #expect(record["quote"]?.string == "a\"b\\\n\u{1}é")
            #expect(record["time"]?.string?.hasSuffix("Z") == true)
            #expect(journal?.next() == nil)
        }
    }

    @Test("writes what is at least as grave as its level, which may change at any time")
    func level() async throws {
        try await withLog(.text, level: .warning) { log, _, lines in
            log.notice("a")
            log.warning("b")
            log.level = .debug
            log.debug("c")
            log.level = .error
            log.warning("d")
            log.error("e")
            let words = try lines().split(separator: "\n").compactMap { $0.last }
            #expect(words == ["b", "c", "e"])
        }
    }

    @Test("keeps records of one kind within their budget, and says how many it kept back")
    func budget() {
        var budget = RecordBudget(perSecondMax: 2)
        let start = Instant(nanoseconds: 5_000_000_000)
        #expect((0..<5).map { _ in budget.take(at: start) } == [0, 0, nil, nil, nil])
        #expect(budget.take(at: start.advanced(milliseconds: 999)) == nil)
        #expect(budget.take(at: start.advanced(milliseconds: 1000)) == 4)
        #expect(budget.take(at: start.advanced(milliseconds: 1001)) == 0)
        #expect(budget.take(at: start.advanced(milliseconds: 1002)) == nil)
    }
}
