import Testing

@Suite("Many entries")
struct ManyEntriesTests {
    @Test("of one tag are invalidated with one command, however many there are")
    func tag() async throws {
        try await ManyEntries.checkTag(count: 2000)
    }

    @Test("of one pattern are all invalidated, beside another client")
    func pattern() async throws {
        try await ManyEntries.checkPattern(count: 5000)
    }
}
