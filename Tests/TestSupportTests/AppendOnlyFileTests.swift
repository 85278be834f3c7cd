import Testing

@testable import TestSupport

@Suite("The append-only file of a crashed server")
struct AppendOnlyFileTests {
    private static let set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    private static let transaction = "*1\r\n$5\r\nMULTI\r\n\(set)\(set)*1\r\n$4\r\nEXEC\r\n"

    private func wholePrefix(_ text: String, _ torn: some Sequence<UInt8> = []) -> Int {
        AppendOnlyFile.wholePrefix(of: Array(text.utf8) + torn)
    }

    @Test("is whole where it ends with a command or a transaction")
    func whole() {
        for text in ["", Self.set, Self.transaction, "#TS:1\r\n\(Self.set)\(Self.transaction)\(Self.set)"] {
            #expect(wholePrefix(text) == text.utf8.count)
        }
    }

    @Test("is cut before what is torn, a whole transaction with it")
    func torn() {
        let beginning = Self.set + Self.transaction
        for length in 1..<Self.transaction.utf8.count {
            #expect(wholePrefix(beginning, Self.transaction.utf8.prefix(length)) == beginning.utf8.count)
        }
        for length in 1..<Self.set.utf8.count {
            #expect(wholePrefix(beginning, Self.set.utf8.prefix(length)) == beginning.utf8.count)
        }
    }
}
