import JSON
import Linux
import TestSupport

/// What the tests of TLS share: an authority, a server that it certified, and agents that connect there.
struct TLSFixture {
    /// Directory of the certificates.
    let directory: String
    /// Signs what is trusted.
    let authority: CertificateAuthority
    /// Which server is used.
    let kind: ServerKind

    /// Runs `body` with an authority of its own.
    static func with(_ kind: ServerKind = .preferred, _ body: (TLSFixture) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let authority = try await CertificateAuthority(in: directory)
            try await body(TLSFixture(directory: directory, authority: authority, kind: kind))
        }
    }

    /// Runs `body` with a server that speaks TLS.
    ///
    /// - Parameters:
    ///   - certificate: The server's certificate; nil for a valid one.
    ///   - asksForCertificate: Whether clients need a certificate.
    ///   - arguments: Further settings.
    ///   - body: Receives the server and its port for TLS.
    /// - Throws: What `body` throws, or ``FixtureError``.
    func withServer(
        _ certificate: CertificateAuthority.Certificate? = nil,
        asksForCertificate: Bool = false,
        arguments: [String] = [],
        _ body: (ValkeyServer, UInt16) async throws -> Void
    ) async throws {
        let made = if let certificate { certificate } else { try await authority.issue("server") }
        var attempt = 1
        while true {
            let port = try LoopbackPort.free()
            do {
                return try await withValkeyServer(
                    kind,
                    arguments: [
                        "--tls-port", "\(port)", "--tls-cert-file", made.certificateFile,
                        "--tls-key-file", made.keyFile, "--tls-ca-cert-file", authority.certificateFile,
                        "--tls-auth-clients", asksForCertificate ? "yes" : "no",
                    ] + arguments
                ) { try await body($0, port) }
            } catch let error as FixtureError where attempt < 5 && error.description.contains("already in use") {
                // Somebody else took the port between the question and the start.
                attempt += 1
            }
        }
    }

    /// Runs `body` with an agent whose Valkey is at `url`, and which trusts the authority.
    ///
    /// - Parameters:
    ///   - url: The server.
    ///   - authorities: Path of the certificates that are trusted; nil for the authority's.
    ///   - certificate: The agent's own certificate.
    ///   - options: Environment variables beside these.
    ///   - body: Receives the agent.
    /// - Throws: What `body` throws, or ``FixtureError``.
    func withAgent(
        _ url: String,
        authorities: String? = nil,
        certificate: CertificateAuthority.Certificate? = nil,
        options: [String: String] = [:],
        _ body: (Daemon) async throws -> Void
    ) async throws {
        var environment = options
        environment["SQUIRE_VALKEY_TLS_CA_FILE"] = authorities ?? authority.certificateFile
        environment["SQUIRE_VALKEY_TLS_CERTIFICATE_FILE"] = certificate?.certificateFile
        environment["SQUIRE_VALKEY_TLS_KEY_FILE"] = certificate?.keyFile
        try await withDaemon(arguments: ["--valkey", url], environment: environment, body)
    }
}

extension Daemon {
    /// The answer to a call without or with params, which are JSON; nil where it is an error.
    func call(_ method: String, _ params: String = "{}") async throws -> Document? {
        let request = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
        let reply = try await exchange(request, limit: .seconds(60))
        // A subscription's first messages may have come with it.
        let line = reply.split(separator: "\n").first ?? ""
        return try Document.parse(Array(line.utf8)).object?["result"]
    }

    /// What health says of the cache store.
    private func cacheStore() async throws -> DocumentObject? {
        try await call("agent.health")?.object?["stores"]?.object?["cache"]?.object
    }

    /// Waits until the cache store is connected.
    func becomeConnected() async throws {
        try await waitUntil("the store is connected; the log: \(log)") {
            try await cacheStore()?["connected"] == true
        }
    }

    /// Waits until the store cannot be used, and gives the reason.
    func fault() async throws -> String {
        var fault = ""
        try await waitUntil("the store cannot be used; the log: \(log)") {
            guard let reason = try await cacheStore()?["fault"]?.string else { return false }
            fault = reason
            return true
        }
        return fault
    }

    /// Waits until the log says `text`.
    func logs(_ text: String) async throws {
        try await waitUntil("the log says \(text): \(log)") { log.contains(text) }
    }
}
