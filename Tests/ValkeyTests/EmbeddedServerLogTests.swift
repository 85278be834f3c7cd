import TestSupport
import Testing

@testable import Valkey

struct EmbeddedServerLogTests {
    private func lastWords(_ log: String) -> String? {
        EmbeddedServerLog.lastWords(of: Array(log.utf8))
    }

    @Test("the last line counts, without process id and time")
    func lastLine() {
        let log = """
            12:M 20 Nov 2026 04:32:37.154 # Something before
            12:M 20 Nov 2026 04:32:37.154 # Fatal error loading the DB: no # 5. Exiting.

            """
        #expect(lastWords(log) == "Fatal error loading the DB: no # 5. Exiting.")
        #expect(lastWords("first\nno room # left\n") == "no room # left")
    }

    @Test("a warning counts more than the protocol of a check that follows it")
    func check() {
        let log = """
            12:M 20 Nov 2026 04:40:45.172 # Internal error in RDB reading offset 0
            [offset 0] Checking RDB file dump.rdb
            [info] 0 already expired

            """
        #expect(lastWords(log) == "Internal error in RDB reading offset 0")
    }

    @Test("of a fault in the configuration the setting is quoted too")
    func configurationFault() {
        let log = """

            *** FATAL CONFIG FILE ERROR (Version 8.0.1) ***
            Reading the configuration file, at line 1
            >>> 'foo bar'
            Bad directive or wrong number of arguments
            """
        #expect(lastWords(log) == "'foo bar': Bad directive or wrong number of arguments")
    }

    @Test("advice about the host is no reason for an end")
    func advice() {
        #expect(lastWords("12:C 20 Nov 2026 04:32:36.098 # WARNING Memory overcommit must be enabled!\n") == nil)
        #expect(lastWords("") == nil)
        #expect(lastWords("\n\n") == nil)
    }

    @Test("a long line is cut")
    func longLine() {
        #expect(lastWords(String(repeating: "x", count: 5000))?.count == 300)
    }

    @Test("only what was written since the file was opened counts, and a large file is begun anew")
    func file() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/server.log"
            try File.write("an older run\n", to: path)
            let first = try EmbeddedServerLog(directory: directory)
            #expect(first.lastWords == nil)
            try File.write("an older run\nthis run\n", to: path)
            #expect(first.lastWords == "this run")

            try File.write([UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20), to: path)
            _ = try EmbeddedServerLog(directory: directory)
            #expect(try File.bytes(path).count == 1 << 20)
            try File.write([UInt8](repeating: UInt8(ascii: "x"), count: (1 << 20) + 1), to: path)
            _ = try EmbeddedServerLog(directory: directory)
            #expect(try File.bytes(path).isEmpty)
        }
    }
}
