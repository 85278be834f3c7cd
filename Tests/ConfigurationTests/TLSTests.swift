import TestSupport
import Testing
import Valkey

@testable import Configuration

@Suite("Options of TLS")
struct TLSTests {
    @Test(
        "valkeys:// and rediss:// ask for TLS, the others do not",
        arguments: [("valkeys://h", true), ("rediss://h:1/2", true), ("valkey://h", false), ("unix:///h", false)]
    )
    func schemes(_ url: String, _ isSecure: Bool) async throws {
        let configuration = try await Loading.configuration(flags: ["--valkey", url])
        #expect(configuration.valkey.endpoints?.cache.isSecure == isSecure)
    }

    @Test("Options of TLS without a URL that asks for it are faults: the connection would be open to all")
    func withoutURL() async throws {
        let variables = ["SQUIRE_VALKEY_TLS_CA_FILE": "/ca", "SQUIRE_VALKEY_TLS_VERSION_MIN": "1.3"]
        let faults = [
            "valkey.tls.ca_file needs a URL that begins with valkeys://",
            "valkey.tls.version_min needs a URL that begins with valkeys://",
        ]
        #expect(try await Loading.faults(variables: variables) == faults)
        #expect(try await Loading.faults(flags: ["--valkey", "valkey://h"], variables: variables) == faults)
    }

    @Test("Files are tried before the agent starts")
    func files() async throws {
        try await withTemporaryDirectory { directory in
            let authority = try await CertificateAuthority(in: directory)
            let certificate = try await authority.issue("agent")
            let flags = ["--valkey", "valkeys://h"]
            var variables = [
                "SQUIRE_VALKEY_TLS_CA_FILE": authority.certificateFile,
                "SQUIRE_VALKEY_TLS_CERTIFICATE_FILE": certificate.certificateFile,
                "SQUIRE_VALKEY_TLS_KEY_FILE": certificate.keyFile,
            ]
            #expect(try await Loading.faults(flags: flags, variables: variables).isEmpty)
            try File.write(try File.bytes(certificate.keyFile), to: "\(directory)/open.key", mode: 0o644)
            variables["SQUIRE_VALKEY_TLS_KEY_FILE"] = "\(directory)/open.key"
            let faults = try await Loading.faults(flags: flags, variables: variables)
            #expect(faults.first?.hasPrefix("valkey.tls.key_file: \(directory)/open.key can be read by others") == true)
            let noKey = "\(directory)/no.key"
            try File.write(try File.bytes(certificate.certificateFile), to: noKey)
            variables["SQUIRE_VALKEY_TLS_KEY_FILE"] = noKey
            #expect(
                try await Loading.faults(flags: flags, variables: variables) == [
                    "valkey.tls.key_file: \(noKey) holds no private key in PEM, or one that is "
                        + "encrypted"
                ]
            )
            variables["SQUIRE_VALKEY_TLS_KEY_FILE"] = nil
            #expect(
                try await Loading.faults(flags: flags, variables: variables)
                    == ["valkey.tls.certificate_file and valkey.tls.key_file need each other"]
            )
        }
    }
}
