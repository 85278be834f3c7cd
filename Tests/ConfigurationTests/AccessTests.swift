import Linux
import TestSupport
import Testing
import Valkey

@testable import Configuration

@Suite("As whom the agent speaks to Valkey")
struct AccessTests {
    @Test(
        "A password file is read without the line break at its end, and shown nowhere",
        arguments: [("secret", "secret"), ("secret\n", "secret"), ("secret\r\n", "secret"), (" s e\t \n", " s e\t ")]
    )
    func passwordFile(_ content: String, _ password: String) async throws {
        try await withTemporaryDirectory { directory in
            try File.write(content, to: "\(directory)/password")
            let configuration = try await Loading.configuration(
                #"{"valkey": {"user": "ada", "password_file": "\#(directory)/password", "cache_url": "valkey://h"}}"#
            )
            let endpoint = try #require(configuration.valkey.endpoints?.cache)
            #expect(endpoint.user == "ada")
            #expect(endpoint.password == password)
            #expect(configuration.link(to: endpoint).endpoint.password == password)
            #expect(!configuration.printedText.contains("secret"))
        }
    }

    @Test("What a URL says of user and password counts for its store alone")
    func urlBeatsFile() async throws {
        try await withTemporaryDirectory { directory in
            try File.write("file", to: "\(directory)/password")
            let configuration = try await Loading.configuration(
                #"{"valkey": {"user": "ada", "password_file": "\#(directory)/password"}}"#,
                flags: ["--valkey", "valkey://:url@h", "--state", "valkey://h"]
            )
            let endpoints = try #require(configuration.valkey.endpoints)
            #expect(endpoints.cache.user == nil)
            #expect(endpoints.cache.password == "url")
            #expect(endpoints.state.user == "ada")
            #expect(endpoints.state.password == "file")
        }
    }

    @Test("A unit's credential is the password where no file is named")
    func credential() async throws {
        try await withTemporaryDirectory { directory in
            let variables = ["CREDENTIALS_DIRECTORY": directory, "VALKEY_HOST": "h"]
            let without = try await Loading.configuration(variables: variables)
            #expect(without.valkey.endpoints?.cache.password == nil)
            try File.write("secret\n", to: "\(directory)/valkey-password", mode: 0o400)
            let with = try await Loading.configuration(variables: variables)
            #expect(with.valkey.endpoints?.cache.password == "secret")
            #expect(with.shown("valkey.password_file") == "\"\(directory)/valkey-password\" environment")
        }
    }

    @Test("A password that was changed shows, though no value does")
    func changedPassword() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/password"
            try File.write("one", to: path)
            let before = try await Loading.configuration(
                flags: ["--valkey", "valkey://h"],
                variables: ["SQUIRE_VALKEY_PASSWORD_FILE": path]
            )
            try File.write("two", to: path)
            let after = try before.reloaded()
            #expect(after.changes(since: before) == ["valkey.password_file"])
        }
    }

    @Test(
        "A password file that is none is refused",
        arguments: ["", "\n", "one\ntwo\n", "a\u{0}b"]
    )
    func badPassword(_ content: String) async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/password"
            try File.write(content, to: path)
            let faults = try await Loading.faults(
                flags: ["--valkey", "valkey://h"],
                variables: ["SQUIRE_VALKEY_PASSWORD_FILE": path]
            )
            #expect(faults == ["valkey.password_file: \(path) must hold a password: one line of UTF-8"])
        }
    }

    @Test("A password file that others can read, or that is not there, is refused")
    func exposedPassword() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/password"
            let variables = ["SQUIRE_VALKEY_PASSWORD_FILE": path, "VALKEY_HOST": "h"]
            #expect(
                try await Loading.faults(variables: variables)
                    == ["valkey.password_file: \(path) cannot be read: No such file or directory"]
            )
            try File.write("secret", to: path, mode: 0o604)
            let faults = try await Loading.faults(variables: variables)
            #expect(faults.count == 1)
            #expect(faults.first?.contains("can be read by others (its mode is 0604): chmod 600") == true)
        }
    }

    @Test("A user needs a password")
    func userWithoutPassword() async throws {
        let variables = ["SQUIRE_VALKEY_USER": "ada", "VALKEY_HOST": "h"]
        #expect(
            try await Loading.faults(variables: variables) == ["valkey.user needs a password: valkey.password_file"]
        )
        #expect(try await Loading.faults(flags: ["--valkey", "valkey://u:p@h"], variables: variables).isEmpty)
    }
}
