import Glibc
import Linux
import TestSupport
import Testing

@Suite("A server that does not prove who it is, or does not want us, is refused in words of its own")
struct TLSRefusalTests {
    @Test("a CA that is not ours", arguments: ServerKind.speakingTLS)
    func unknownAuthority(_ kind: ServerKind) async throws {
        try await TLSFixture.with(kind) { fixture in
            let other = try await CertificateAuthority(in: fixture.directory, name: "other")
            try await fixture.withServer { _, port in
                try await fixture.withAgent("valkeys://localhost:\(port)", authorities: other.certificateFile) {
                    agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains("no trusted CA signed"))
                    #expect(fault.contains("valkey.tls.ca_file"))
                }
            }
        }
    }

    @Test(
        "a certificate for another name or address",
        arguments: [("DNS:valkey.example", "localhost"), ("DNS:localhost", "127.0.0.1"), ("IP:127.0.0.2", "127.0.0.1")]
    )
    func wrongName(_ alternatives: String, _ host: String) async throws {
        try await TLSFixture.with { fixture in
            let certificate = try await fixture.authority.issue("server", for: alternatives)
            try await fixture.withServer(certificate) { _, port in
                try await fixture.withAgent("valkeys://\(host):\(port)") { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains("does not name \(host)"))
                    #expect(fault.contains("valkey.tls.server_name"))
                }
            }
        }
    }

    @Test(
        "a certificate of the past or of the future",
        arguments: [(CertificateAuthority.Validity.past, "has expired"), (.future, "is not valid yet")]
    )
    func wrongTime(_ validity: CertificateAuthority.Validity, _ words: String) async throws {
        try await TLSFixture.with { fixture in
            let certificate = try await fixture.authority.issue("server", validity: validity)
            try await fixture.withServer(certificate) { _, port in
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains(words))
                }
            }
        }
    }

    @Test("a server of TLS 1.1, and one of TLS 1.2 where 1.3 is the least")
    func oldVersions() async throws {
        try await TLSFixture.with { fixture in
            let words = "speaks no version of TLS that valkey.tls.version_min allows"
            try await withOldServer(fixture) { port in
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains(words))
                }
            }
            let newest = ["SQUIRE_VALKEY_TLS_VERSION_MIN": "1.3"]
            try await fixture.withServer(arguments: ["--tls-protocols", "TLSv1.2"]) { _, port in
                try await fixture.withAgent("valkeys://localhost:\(port)", options: newest) { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains(words))
                }
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    try await agent.becomeConnected()
                    #expect(agent.log.contains("transport=TLSv1.2"))
                }
            }
        }
    }

    /// Runs `body` with a server that speaks TLS 1.1 only, which no Valkey can be made to on a host of today.
    private func withOldServer(_ fixture: TLSFixture, _ body: (UInt16) async throws -> Void) async throws {
        let certificate = try await fixture.authority.issue("old")
        let port = try LoopbackPort.free()
        var command = ChildProcess.Command(executable: try #require(Executable.find("openssl")))
        command.arguments = [
            "s_server", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-accept", "\(port)", "-quiet",
            "-cert", certificate.certificateFile, "-key", certificate.keyFile,
        ]
        command.environment = ["OPENSSL_CONF=/dev/null"]
        let server = try await LaunchedProcess.start(command, log: "\(fixture.directory)/log")
        defer { try? server.signal(SIGKILL) }
        try await waitUntil("the old server listens") { (try? RESPClient(port: port)) != nil }
        try await body(port)
    }

    @Test(
        "a client without a certificate, or with one that the server does not trust",
        arguments: ServerKind.speakingTLS,
        ["TLSv1.2", "TLSv1.3"]
    )
    func clientCertificate(_ kind: ServerKind, _ version: String) async throws {
        try await TLSFixture.with(kind) { fixture in
            let other = try await CertificateAuthority(in: fixture.directory, name: "other")
            let stranger = try await other.issue("stranger")
            try await fixture.withServer(asksForCertificate: true, arguments: ["--tls-protocols", version]) { _, port in
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains("client certificate"))
                    #expect(fault.contains("valkey.tls.certificate_file"))
                }
                try await fixture.withAgent("valkeys://localhost:\(port)", certificate: stranger) { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains("refused the certificate"))
                }
            }
        }
    }

    @Test("a server without TLS: nothing is sent to it in the clear", arguments: ServerKind.installed)
    func plainServer(_ kind: ServerKind) async throws {
        try await TLSFixture.with(kind) { fixture in
            try await withValkeyServer(kind, tcp: true) { server in
                let port = try #require(server.port)
                let limit = ["SQUIRE_VALKEY_CONNECT_TIMEOUT_MS": "200"]
                try await fixture.withAgent("valkeys://:secret@localhost:\(port)", options: limit) { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains("speaks TLS there"))
                    #expect(fault.contains("valkey://"))
                    #expect(!agent.log.contains("secret"))
                }
                // Whatever a server takes for a command counts, refused ones too.
                let statistics = try server.command("INFO", "commandstats").text ?? ""
                #expect(!statistics.contains("cmdstat_hello"))
            }
        }
    }

    @Test("a server that wants TLS, where the URL does not ask for it")
    func plainClient() async throws {
        try await TLSFixture.with { fixture in
            try await fixture.withServer { _, port in
                try await withDaemon(arguments: ["--valkey", "valkey://localhost:\(port)"]) { agent in
                    let fault = try await agent.fault()
                    #expect(fault.contains("valkeys://"))
                }
            }
        }
    }
}
