import Linux

/// A certification authority of one test, in a directory of its own, by the program `openssl`.
public struct CertificateAuthority: Sendable {
    /// A certificate with its key, as files in PEM.
    public struct Certificate: Sendable {
        /// Path of the certificate.
        public let certificateFile: String
        /// Path of its key, readable by its owner alone.
        public let keyFile: String
    }

    /// When a certificate is valid.
    public enum Validity: Sendable {
        /// Now.
        case present
        /// Until a day long past.
        case past
        /// From a day long to come.
        case future

        /// The first and the last second, as `openssl ca` takes them.
        fileprivate var bounds: (String, String) {
            switch self {
            case .present: ("20200101000000Z", "20990101000000Z")
            case .past: ("20200101000000Z", "20200102000000Z")
            case .future: ("20980101000000Z", "20990101000000Z")
            }
        }
    }

    /// Path of the authority's own certificate.
    public let certificateFile: String
    private let directory: String
    private let name: String

    /// Makes an authority.
    ///
    /// - Parameters:
    ///   - directory: An existing directory; several authorities share it under different names.
    ///   - name: Letters.
    /// - Throws: ``FixtureError`` with what `openssl` complains of.
    public init(in directory: String, name: String = "authority") async throws {
        self.directory = directory
        self.name = name
        certificateFile = "\(directory)/\(name).crt"
        try File.write(
            """
            [ca]
            default_ca = authority
            [authority]
            database = \(directory)/\(name).index
            new_certs_dir = \(directory)
            rand_serial = yes
            unique_subject = no
            default_md = sha256
            policy = policy
            [policy]
            commonName = supplied
            [req]
            distinguished_name = subject
            x509_extensions = self
            [subject]
            [self]
            basicConstraints = critical, CA:true
            keyUsage = critical, keyCertSign, cRLSign
            subjectKeyIdentifier = hash

            """,
            to: "\(directory)/\(name).cnf"
        )
        try File.write("", to: "\(directory)/\(name).index")
        try await openssl(
            "req",
            "-x509",
            "-config",
            "\(directory)/\(name).cnf",
            "-subj",
            "/CN=\(name)",
            "-days",
            "30",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "\(directory)/\(name).key",
            "-out",
            certificateFile
        )
    }

    /// Issues a certificate, in place of one of the same name.
    ///
    /// - Parameters:
    ///   - name: Name of its files: letters.
    ///   - alternatives: Whom it names, such as `DNS:localhost,IP:127.0.0.1`; for clients anything will do.
    ///   - validity: When it is valid.
    /// - Returns: The files.
    /// - Throws: ``FixtureError`` with what `openssl` complains of.
    public func issue(
        _ name: String,
        for alternatives: String = "DNS:localhost,IP:127.0.0.1",
        validity: Validity = .present
    ) async throws -> Certificate {
        let stem = "\(directory)/\(name)"
        try File.write("subjectAltName = \(alternatives)\nbasicConstraints = CA:false\n", to: "\(stem).ext")
        try await openssl(
            "req",
            "-new",
            "-config",
            "\(directory)/\(self.name).cnf",
            "-subj",
            "/CN=\(name)",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "\(stem).key",
            "-out",
            "\(stem).csr"
        )
        try await openssl(
            "ca",
            "-batch",
            "-notext",
            "-config",
            "\(directory)/\(self.name).cnf",
            "-cert",
            certificateFile,
            "-keyfile",
            "\(directory)/\(self.name).key",
            "-startdate",
            validity.bounds.0,
            "-enddate",
            validity.bounds.1,
            "-extfile",
            "\(stem).ext",
            "-in",
            "\(stem).csr",
            "-out",
            "\(stem).crt"
        )
        return Certificate(certificateFile: "\(stem).crt", keyFile: "\(stem).key")
    }

    private func openssl(_ arguments: String...) async throws {
        guard let program = Executable.find("openssl") else {
            throw FixtureError("openssl is not installed: scripts/dependencies test")
        }
        let result = try await run(program, arguments)
        guard result.status == .exited(0) else {
            throw FixtureError("openssl \(arguments.first ?? "") failed: \(result.standardError)")
        }
    }
}
