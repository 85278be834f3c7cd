import Linux
import TestSupport
import Testing

@Suite("The manual")
struct ManualPageTests {
    @Test("is set without a warning", arguments: ["rpc.1", "squire.json.5", "squired.8"])
    func warnings(page: String) async throws {
        guard let man = Executable.find("man") else {
            try Test.cancel("man is not installed: scripts/dependencies test")
        }
        let options = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "docs/man/\(page)"]
        let outcome = try await run(man, options, environment: ["MANPAGER": "cat", "HOME": "/"])
        #expect(outcome.status == .exited(0))
        #expect(outcome.standardError == "")
        #expect(outcome.standardOutput.contains("SYNOPSIS") || page.hasSuffix(".5"))
    }
}
