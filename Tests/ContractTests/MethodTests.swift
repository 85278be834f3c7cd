import Bytes
import Contract
import Testing

@Suite("The list of methods")
struct MethodTests {
    private func method(named name: String) -> Method? {
        name.withByteView { Method.named($0) }
    }

    @Test("finds every method by its name", arguments: Method.allCases)
    func everyName(method: Method) {
        #expect(self.method(named: "\(method.name)") == method)
    }

    @Test("finds nothing for a name that is almost right", arguments: Method.allCases)
    func nearMisses(method: Method) {
        let name = "\(method.name)"
        let others = Set(Method.allCases.map { "\($0.name)" })
        var misses = [name + " ", " " + name, name + "s", String(name.dropLast()), String(name.dropFirst())]
        misses.append(name.uppercased())
        misses.append(String(name.reversed()))
        misses.append(name.replacing(".", with: "_"))
        for miss in misses where !others.contains(miss) {
            #expect(self.method(named: miss) == nil, "\(miss)")
        }
    }

    @Test("finds nothing for names of any other length")
    func lengths() {
        for length in 0...64 {
            #expect(method(named: String(repeating: "a", count: length)) == nil)
        }
    }

    @Test("says what doing a call twice means")
    func idempotency() {
        #expect(Method.cacheGet.idempotency == .read)
        #expect(Method.cacheSet.idempotency == .idempotent)
        #expect(Method.cacheIncrement.idempotency == .nonIdempotent)
    }

    @Test("gives sweeps more time than other calls")
    func deadlines() {
        #expect(Method.cacheInvalidate.deadlineMilliseconds == 60000)
        #expect(Method.cacheGet.deadlineMilliseconds == 5000)
    }
}

@Suite("The kinds of errors")
struct ErrorKindTests {
    @Test("have a code and a name each that no other has")
    func unique() {
        #expect(Set(ErrorKind.allCases.map(\.code)).count == ErrorKind.allCases.count)
        #expect(Set(ErrorKind.allCases.map { "\($0.kind)" }).count == ErrorKind.allCases.count)
    }

    @Test("keep the codes that JSON-RPC 2.0 gives them")
    func standardCodes() {
        #expect(ErrorKind.parseError.code == -32700)
        #expect(ErrorKind.invalidRequest.code == -32600)
        #expect(ErrorKind.methodNotFound.code == -32601)
        #expect(ErrorKind.invalidParams.code == -32602)
        #expect(ErrorKind.internalError.code == -32603)
    }

    @Test("say whether trying again may help")
    func retryable() {
        #expect(ErrorKind.unavailable.isRetryable)
        #expect(ErrorKind.overloaded.isRetryable)
        #expect(!ErrorKind.ambiguous.isRetryable)
        #expect(!ErrorKind.invalidParams.isRetryable)
        #expect("\(ErrorKind.deadlineExceeded.kind)" == "deadline_exceeded")
    }
}
