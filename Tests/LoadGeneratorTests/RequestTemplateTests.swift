import Bytes
import Testing

@testable import LoadGenerator

struct RequestTemplateTests {
    private var workload: Workload {
        var workload = Workload()
        workload.valueBytes = 10
        workload.manyKeys = 2
        workload.lifeMilliseconds = 60_000
        return workload
    }

    private func text(_ operation: Workload.Operation, _ language: LoadTarget.Language, slot: Int = 0) -> String {
        var keys = KeySequence(only: 12_345_678)
        var output = ByteBuffer()
        RequestTemplate(operation, workload, language).append(to: &output, slot: slot, keys: &keys)
        return output.view.text()
    }

    @Test
    func `Calls have the id of their slot and the key's number`() {
        let get = #"{"jsonrpc":"2.0","id":1042,"method":"cache.get","params":{"key":"bench:12345678"}}"#
        #expect(text(.get, .calls, slot: 42) == get + "\n")
        let delete = #"{"jsonrpc":"2.0","id":2023,"method":"cache.delete","params":{"key":"bench:12345678"}}"#
        #expect(text(.delete, .calls, slot: 1023) == delete + "\n")
        #expect(text(.ping, .calls) == #"{"jsonrpc":"2.0","id":1000,"method":"agent.ping","params":{}}"# + "\n")
    }

    @Test
    func `A value has as many bytes in Valkey by both ways`() {
        let value = workload.value
        #expect(value.utf8.count == 10)
        let set = #""params":{"key":"bench:12345678","value":\#(value),"ttl_ms":60000}}"#
        #expect(text(.set, .calls).hasSuffix(set + "\n"))
        let command = "*5\r\n$3\r\nSET\r\n$14\r\nbench:12345678\r\n$10\r\n\(value)\r\n$2\r\nPX\r\n$5\r\n60000\r\n"
        #expect(text(.set, .commands) == command)
    }

    @Test
    func `Several keys are asked for at once`() {
        #expect(text(.getMany, .calls).contains(#""keys":["bench:12345678","bench:"#))
        #expect(text(.getMany, .commands).hasPrefix("*3\r\n$4\r\nMGET\r\n$14\r\nbench:12345678\r\n$14\r\nbench:"))
    }

    @Test
    func `Counters are other keys than entries`() {
        #expect(text(.increment, .calls).contains(#""key":"bench:n:12345678""#))
        #expect(text(.increment, .commands) == "*2\r\n$4\r\nINCR\r\n$16\r\nbench:n:12345678\r\n")
    }

    @Test
    func `Operations of a mix are spread evenly over its cycle`() {
        var workload = Workload()
        workload.mix = [Workload.Share(.get, weight: 4), Workload.Share(.set, weight: 2)]
        #expect(workload.cycle.count == 6)
        #expect(workload.cycle.filter { $0 == .set }.count == 2)
        for (left, right) in zip(workload.cycle, workload.cycle.dropFirst()) where left == .set {
            #expect(right == .get)
        }
    }
}
