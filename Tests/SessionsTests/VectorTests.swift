import Bytes
import Crypto
import Linux
import TestSupport
import Testing

@testable import Sealing
@testable import Sessions

@Suite("The documented test vector")
struct VectorTests {
    private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    private static let document = "\(root)/docs/reference/session-envelope.md"
    private static let token = "0a1bAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

    /// The envelope in the document.
    private func envelope() throws -> [UInt8] {
        let text = try File.text(Self.document)
        let block = try #require(text.split(separator: "```hex\n").last?.split(separator: "```").first)
        let digits = block.filter { $0.isHexDigit }.utf8.map { UInt8(String(decoding: [$0], as: UTF8.self), radix: 16) }
        let values = digits.compactMap { $0 }
        return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }

    private var place: [UInt8] {
        let digest = Self.token.withByteView { SHA256().digest(of: $0) }
        return SessionKey(tag: 0x0a1b, digest: digest, namespace: Array("shop".utf8)).place
    }

    private func opened(_ envelope: [UInt8]) throws -> String {
        let key = (0..<32).map { UInt8(1 + $0) }.withByteView { MasterKey(SecretBytes(copying: $0)) }
        var output = ByteBuffer()
        try envelope.withByteView { bytes in
            try place.withByteView { try EnvelopeSealer(KeyRing([key])).open(Envelope(bytes), place: $0, to: &output) }
        }
        return output.view.text()
    }

    @Test("It opens, and says what the document says")
    func opens() throws {
        let text = try opened(try envelope())
        try text.withByteView { text in
            let content = try #require(SessionContent(text))
            #expect(content.subject?.text() == "user:42")
            #expect(content.data.text() == #"{"cart":[1,2]}"#)
        }
    }

    @Test("Python's cryptography opens it and refuses every forgery")
    func python() async throws {
        guard let python = try await Self.usablePython() else {
            try Test.cancel("Python's cryptography is not installed and cannot be fetched")
        }
        let script = "\(Self.root)/Tests/SessionsTests/Vectors/open_envelope.py"
        let outcome = try await run(python, [script, Self.document])
        #expect(outcome.status == .exited(0), "\(outcome.standardError)")
        #expect(outcome.standardOutput == "user:42\n{\"cart\":[1,2]}\n")
    }

    /// A Python that has the library: the one installed, else one of our own below `.build`.
    private static func usablePython() async throws -> String? {
        guard let python = Executable.find("python3") else { return nil }
        if try await hasLibrary(python) { return python }
        let environment = "\(root)/.build/vectors"
        let own = "\(environment)/bin/python3"
        if Executable.find(own) != nil, try await hasLibrary(own) { return own }
        guard try await run(python, ["-m", "venv", environment], limit: .seconds(60)).status == .exited(0) else {
            return nil
        }
        let fetch = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "cryptography"]
        return try await run(own, fetch, limit: .seconds(120)).status == .exited(0) ? own : nil
    }

    private static func hasLibrary(_ python: String) async throws -> Bool {
        try await run(python, ["-c", "import cryptography"]).status == .exited(0)
    }
}
