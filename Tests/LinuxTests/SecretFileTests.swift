import Linux
import TestSupport
import Testing

@Suite("Files with secrets")
struct SecretFileTests {
    @Test("only the owner may read a secret, or its group where root owns it")
    func permissions() {
        for mode: UInt32 in [0o600, 0o400, 0o700] {
            #expect(SecretFile.isPrivate(mode: mode, owner: 1000))
            #expect(SecretFile.isPrivate(mode: mode, owner: 0))
        }
        for mode: UInt32 in [0o640, 0o440] {
            #expect(!SecretFile.isPrivate(mode: mode, owner: 1000))
            #expect(SecretFile.isPrivate(mode: mode, owner: 0))
        }
        for mode: UInt32 in [0o644, 0o604, 0o660, 0o620, 0o601] {
            #expect(!SecretFile.isPrivate(mode: mode, owner: 1000))
            #expect(!SecretFile.isPrivate(mode: mode, owner: 0))
        }
    }

    @Test("a secret is read whole, unless others can read it or it is too long")
    func reading() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/secret"
            try File.write("secret", to: path)
            #expect(try SecretFile.read(path, limit: 100) == Array("secret".utf8))
            #expect(throws: SecretFile.Fault.self) { try SecretFile.read(path, limit: 5) }
            try File.write("secret", to: "\(directory)/open", mode: 0o644)
            #expect(throws: SecretFile.Fault.exposed(0o644)) { try SecretFile.read("\(directory)/open", limit: 100) }
        }
    }
}
