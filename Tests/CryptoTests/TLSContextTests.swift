import Crypto
import Linux
import TestSupport
import Testing

@Suite("What TLS connections share")
struct TLSContextTests {
    private func code(
        authorities: [UInt8]? = nil,
        identity: TLSIdentity? = nil
    ) -> TLSError.Code? {
        do throws(TLSError) {
            _ = try TLSContext(authorities: authorities, identity: identity, versionMin: .tls12)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("certificates and keys of every kind that is not usable are told apart")
    func unusable() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try await CertificateAuthority(in: directory)
            let (one, other) = (try await authority.issue("one"), try await authority.issue("other"))
            let certificate = try File.bytes(one.certificateFile)
            let key = try File.bytes(one.keyFile)
            #expect(code(authorities: try File.bytes(authority.certificateFile)) == nil)
            #expect(code(identity: TLSIdentity(certificates: certificate, key: key)) == nil)
            #expect(code(authorities: []) == .badAuthorities)
            #expect(code(authorities: key) == .badAuthorities)
            #expect(code(authorities: certificate.dropLast(200)) == .badAuthorities)
            #expect(code(identity: TLSIdentity(certificates: key, key: key)) == .badCertificate)
            #expect(code(identity: TLSIdentity(certificates: certificate, key: certificate)) == .badKey)
            let foreign = try File.bytes(other.keyFile)
            #expect(code(identity: TLSIdentity(certificates: certificate, key: foreign)) == .badKey)
        }
    }

    @Test("a key that is encrypted is refused, and nobody is asked for its password")
    func encryptedKey() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try await CertificateAuthority(in: directory)
            let certificate = try await authority.issue("one")
            let openssl = try #require(Executable.find("openssl"))
            let path = "\(directory)/encrypted.key"
            let arguments = ["pkcs8", "-topk8", "-in", certificate.keyFile, "-out", path, "-passout", "pass:secret"]
            #expect(try await run(openssl, arguments).status == .exited(0))
            let identity = TLSIdentity(
                certificates: try File.bytes(certificate.certificateFile),
                key: try File.bytes(path)
            )
            #expect(code(identity: identity) == .badKey)
        }
    }

    @Test("several certificates in one text are all taken: a chain, and a list of authorities")
    func several() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try await CertificateAuthority(in: directory)
            let certificate = try await authority.issue("one")
            let both = try File.bytes(certificate.certificateFile) + File.bytes(authority.certificateFile)
            #expect(code(authorities: both) == nil)
            #expect(code(identity: TLSIdentity(certificates: both, key: try File.bytes(certificate.keyFile))) == nil)
        }
    }
}
