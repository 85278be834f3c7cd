import Testing

@testable import Cache

@Suite("Generations of tags")
struct TagGenerationTests {
    @Test("tell when an invalidation made them, and are all different")
    func times() {
        let invalidated: [UInt8] = [0x80, 0x06, 0x64, 0x00, 0x00, 0x00, 0x01, 0x02] + [UInt8](repeating: 9, count: 8)
        #expect(TagGeneration.invalidatedAt(invalidated) == 0x06_6400_0000_0102)
        let made = (0..<1000).map { _ in TagGeneration.make() }
        #expect(made.allSatisfy { $0.count == 16 && TagGeneration.invalidatedAt($0) == nil })
        #expect(Set(made).count == 1000)
        #expect(TagGeneration.invalidatedAt([]) == nil)
        #expect(TagGeneration.invalidatedAt([0x80]) == nil)
    }
}
