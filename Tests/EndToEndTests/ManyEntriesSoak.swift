import TestSupport
import Testing

@Suite("A million entries", .enabled(if: Soak.isEnabled))
struct ManyEntriesSoak {
    @Test("of one tag are invalidated in one round trip")
    func tag() async throws {
        try await ManyEntries.checkTag(count: 1_000_000)
    }

    @Test("of one pattern are invalidated while other clients go on")
    func pattern() async throws {
        try await ManyEntries.checkPattern(count: 1_000_000)
    }
}
