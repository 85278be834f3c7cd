import Linux
import TestSupport
import Testing

struct CommandTests {
    @Test("output, errors and exit status of a program arrive")
    func result() async throws {
        let script = "cat; echo $NAME >&2; exit 3"
        let result = try await run(
            "/bin/sh",
            ["-c", script],
            input: Array("input".utf8),
            environment: ["NAME": "value"]
        )
        #expect(result.status == .exited(3))
        #expect(result.standardOutput == "input")
        #expect(result.standardError == "value\n")
    }

    @Test("a program that takes too long is ended")
    func timeLimit() async throws {
        await #expect(throws: FixtureError.self) {
            _ = try await run("/bin/sleep", ["600"], limit: .milliseconds(20))
        }
    }
}
