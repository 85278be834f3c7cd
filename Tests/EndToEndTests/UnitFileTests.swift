import Linux
import TestSupport
import Testing

@Suite("The units for systemd")
struct UnitFileTests {
    /// Exposure above which `systemd-analyze security` complains, in tenths: 1.2.
    private static let exposureMax = 12

    /// Runs `body` with a directory that holds the units as they would be installed, one instance among them.
    private func withUnits(_ body: (_ tool: String, _ directory: String) async throws -> Void) async throws {
        guard let tool = Executable.find("systemd-analyze") else {
            try Test.cancel("systemd-analyze is not installed, the units are not checked")
        }
        try await withTemporaryDirectory { directory in
            for kind in ["service", "socket"] {
                for (name, source) in [("squired", "squired"), ("squired@", "squired@"), ("squired@one", "squired@")] {
                    // Where no agent is installed, the one that was built stands in for it.
                    let text = try File.text("systemd/\(source).\(kind)")
                        .replacing("ExecStart=/usr/sbin/squired", with: "ExecStart=\(try Product.path("squired"))")
                    try File.write(text, to: "\(directory)/\(name).\(kind)")
                }
            }
            try await body(tool, directory)
        }
    }

    @Test("are verified without a word", arguments: ["squired.service", "squired.socket", "squired@one.service"])
    func verified(unit: String) async throws {
        try await withUnits { tool, directory in
            let outcome = try await run(tool, ["--man=no", "verify", "\(directory)/\(unit)"])
            #expect(outcome.status == .exited(0))
            #expect(outcome.standardOutput + outcome.standardError == "")
        }
    }

    @Test("expose little", arguments: ["squired.service", "squired@one.service"])
    func exposure(unit: String) async throws {
        try await withUnits { tool, directory in
            let arguments = ["security", "--offline=true", "--threshold=\(Self.exposureMax)", "\(directory)/\(unit)"]
            let outcome = try await run(tool, arguments)
            #expect(outcome.status == .exited(0), "\(outcome.standardOutput.suffix(100))")
        }
    }

    @Test("say the same of an instance as of the agent that has no name", arguments: ["service", "socket"])
    func instance(kind: String) throws {
        let directories = ["StateDirectory", "LogsDirectory", "RuntimeDirectory"]
        var expected = try lines("systemd/squired.\(kind)").map { line in
            line.replacing("for Valkey", with: "for Valkey (%i)").replacing("squired.socket", with: "squired@%i.socket")
                .replacing("/run/squire/", with: "/run/squire-%i/")
        }
        for index in expected.indices {
            let name = String(expected[index].prefix { $0 != "=" })
            if directories.contains(name) { expected[index] = "\(name)=squire-%i" }
            if name == "ConfigurationDirectory" { expected[index] += "/%i" }
            if name == "ExecStart" { expected[index] += " --socket /run/squire-%i/squire.sock" }
        }
        #expect(try lines("systemd/squired@.\(kind)") == expected)
    }

    /// What a unit says, without its comments.
    private func lines(_ path: String) throws -> [String] {
        try File.text(path).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }

    @Test("come with a directory of the socket and a user that systemd's own tools take")
    func accounts() async throws {
        guard let tool = Executable.find("systemd-sysusers"), let files = Executable.find("systemd-tmpfiles") else {
            try Test.cancel("systemd-sysusers and systemd-tmpfiles are not installed")
        }
        try await withTemporaryDirectory { root in
            try Directory.make("\(root)/etc", mode: 0o755)
            let users = try await run(tool, ["--root", root, "\(try workingDirectory())/systemd/squire.sysusers"])
            #expect(users.status == .exited(0), "\(users.standardError)")
            #expect(try File.text("\(root)/etc/passwd").contains("squire:"))
            #expect(try File.text("\(root)/etc/group").contains("squire:"))
            let path = "\(try workingDirectory())/systemd/squire.tmpfiles"
            let made = try await run(files, ["--root", root, "--create", path])
            guard ProcessIdentity.userID == 0 else { return }
            #expect(made.status == .exited(0), "\(made.standardError)")
            #expect(try Directory.status("\(root)/run/squire").mode == 0o755)
        }
    }

    private func workingDirectory() throws -> String { try File.destination(ofLink: "/proc/self/cwd") }
}
