import Bytes
import Contract
import Store
import Testing

@Suite("The life of an entry in a namespace that is named by the agent")
struct NamespacesTests {
    private let name = Array("response".utf8)

    private func namespaces(_ change: (inout NamespaceSettings) -> Void) -> Namespaces {
        var settings = NamespaceSettings(defaultLifeMilliseconds: 3_600_000)
        change(&settings)
        return Namespaces(["response": settings], fallback: NamespaceSettings(defaultLifeMilliseconds: 300_000))
    }

    @Test("is the one given, or the namespace's; where it has none, that of all")
    func given() {
        let namespaces = namespaces { _ in }
        #expect(namespaces.life(.absent, inNamed: name) == 3_600_000)
        #expect(namespaces.life(.null, inNamed: name) == nil)
        #expect(namespaces.life(.value(5), inNamed: name) == 5)
        #expect(namespaces.life(.absent, inNamed: Array("other".utf8)) == 300_000)
    }

    @Test("is no longer than the class of the data allows, and shortened by chance where the namespace says so")
    func bounds() {
        let bounded = namespaces { $0.lifeMaxMilliseconds = 1000 }
        #expect(bounded.life(.null, inNamed: name) == 1000)
        #expect(bounded.life(.value(5000), inNamed: name) == 1000)
        #expect(bounded.life(.value(5), inNamed: name) == 5)
        let spread = namespaces { $0.jitterPercent = 10 }
        let lives = (0..<100).compactMap { _ in spread.life(.absent, inNamed: name) }
        #expect(lives.allSatisfy { (3_240_000...3_600_000).contains($0) } && Set(lives).count > 1)
    }
}
