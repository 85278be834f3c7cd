import Bytes
import JSON
import Testing

@testable import Cache

@Suite("Numbers of namespaces")
struct NamespaceRegisterTests {
    private func number(_ name: String, _ register: inout NamespaceRegister) throws -> UInt16 {
        try "\"\(name)\"".withByteView { text in
            let value = try #require(try? JSONScanner.scan(text, depthMax: 1))
            return register.number(of: value.string)
        }
    }

    @Test("are the same for the same name, 0 for the one without, and shared by all beyond the last")
    func numbers() throws {
        var register = NamespaceRegister()
        let nameless = register.number(of: nil)
        #expect(nameless == 0)
        let first = try number("a", &register)
        let second = try number("b", &register)
        let again = try number("a", &register)
        #expect(first == 1 && second == 2 && again == 1)
        for index in 0..<5000 { _ = try number("n\(index)", &register) }
        let early = try number("n0", &register)
        let late = try number("n4999", &register)
        let later = try number("yet another", &register)
        #expect(early == 3)
        #expect(late == 4095 && later == 4095)
        let counted = register.counts.count
        #expect(counted == NamespaceRegister.numbersMax)
    }

    @Test("fit beside a stripe into what a write carries")
    func detail() {
        for isNoted in [true, false] {
            let write = NearWrite(stripe: NearCache.stripes - 1, isNoted: isNoted)
            let detail = WriteDetail(write: write, namespace: 4095, isRemembered: true)
            #expect(detail.write == write)
            #expect(detail.write.stripe == NearCache.stripes - 1 && detail.write.isNoted == isNoted)
            #expect(detail.namespace == 4095)
            #expect(detail.isRemembered)
            let first = NearWrite(stripe: 0, isNoted: isNoted)
            let other = WriteDetail(write: first, namespace: 1, isRemembered: false)
            #expect(other.write == first && other.namespace == 1 && !other.isRemembered)
        }
    }
}
