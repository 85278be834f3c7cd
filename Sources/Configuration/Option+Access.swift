import Valkey

extension Option {
    /// As whom the agent speaks to Valkey, and how it knows that it is Valkey.
    static let access: [Option] = [
        Option(
            "valkey.user",
            \.valkey.user,
            OptionKind.text(bytesMax: 256).optional,
            defaultRule: "the server's default user",
            "The ACL user of both stores, where a URL names none."
        ),
        Option(
            "valkey.password_file",
            \.valkey.passwordFile,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule: "`valkey-password` in the unit's `$CREDENTIALS_DIRECTORY`, where it exists",
            "File with the password, where a URL has none; a line break at its end does not count. Only its owner may "
                + "read it, or its group too where root owns it. Read again on SIGHUP."
        ),
        Option(
            "valkey.tls.ca_file",
            \.valkey.tls.authoritiesFile,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule: "the CAs that the system trusts",
            "Certificates of the CAs that may have signed the server's certificate, in PEM. Read again on SIGHUP."
        ),
        Option(
            "valkey.tls.certificate_file",
            \.valkey.tls.certificateFile,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule: "none",
            "The agent's own certificate and those between it and its CA, in PEM, for servers that ask for one. Read "
                + "again on SIGHUP."
        ),
        Option(
            "valkey.tls.key_file",
            \.valkey.tls.keyFile,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule: "none",
            "The private key of that certificate, in PEM and not encrypted. Only its owner may read it, or its group too "
                + "where root owns it. Read again on SIGHUP."
        ),
        Option(
            "valkey.tls.server_name",
            \.valkey.tls.serverName,
            OptionKind.serverName.optional,
            defaultRule: "the host in the URL",
            "The name or IP address that the server's certificate must have."
        ),
        Option(
            "valkey.tls.version_min",
            \.valkey.tls.versionMin,
            .version,
            "The oldest version of TLS that is spoken."
        ),
    ]
}
