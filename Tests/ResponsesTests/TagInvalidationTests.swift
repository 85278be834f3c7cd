import Testing

@testable import Responses

@Suite("When a tag was invalidated")
struct TagInvalidationTests {
    private func latest(_ generations: String...) -> String {
        String(decoding: TagInvalidation.latest(of: generations.map { Array($0.utf8) }), as: UTF8.self)
    }

    @Test("is told by the latest of the generations that an invalidation made, and by no other")
    func latest() {
        #expect(latest() == "")
        #expect(latest("0123456789abcdef", "ffffffffffffffff") == "")
        #expect(latest("t000000000000f00") == "000000000000f")
        let mixed = latest("t000000000000f00", "0123456789abcdef", "t0000000001000ab", "t000000000000e00")
        #expect(mixed == "0000000001000")
        #expect(latest("t000000000000f0", "t00000000000zz00", "t000000000000g00") == "")
    }
}
