import Linux
import Valkey

extension ConfigurationReader {
    /// Longest password, in bytes.
    private static let passwordBytesMax = 4096

    /// Name of the systemd credential that is the password where no file is named.
    private static let credential = "valkey-password"

    /// Takes the password from its file, or from the unit's credential.
    mutating func readPassword() {
        let option = "valkey.password_file"
        guard !faulty.contains(option), !faulty.contains("valkey.user") else { return }
        if configuration.valkey.passwordFile == nil,
            let directory = configuration.sources.environment["CREDENTIALS_DIRECTORY"]
        {
            let path = "\(directory)/\(Self.credential)"
            if FileSystem.exists(path) {
                configuration.valkey.passwordFile = path
                configuration.origins[option] = .environment
            }
        }
        guard let path = configuration.valkey.passwordFile else {
            let urls = [configuration.valkey.cacheURL, configuration.valkey.stateURL].compactMap { $0 }
            if configuration.valkey.user != nil, urls.contains(where: { $0.endpoint.password == nil }) {
                faults.append(ConfigurationFault("valkey.user needs a password: valkey.password_file"))
            }
            return
        }
        do throws(SecretFile.Fault) {
            guard let password = Self.password(try SecretFile.read(path, limit: Self.passwordBytesMax)) else {
                faults.append(
                    ConfigurationFault("\(option): \(Printable.text(path)) must hold a password: one line of UTF-8")
                )
                return
            }
            configuration.valkey.password = password
        } catch {
            faults.append(ConfigurationFault("\(option): \(Printable.text(path)) \(error)"))
        }
    }

    /// The text of a file without the line break at its end; nil where that is no password.
    private static func password(_ bytes: [UInt8]) -> String? {
        var bytes = bytes[...]
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        let isOneLine = bytes.allSatisfy { $0 != UInt8(ascii: "\n") && $0 != 0 }
        return bytes.isEmpty || !isOneLine ? nil : String(validating: bytes, as: UTF8.self)
    }
}

extension ConfigurationReader {
    /// Tries the files of certificates; finds options of TLS that no URL asks for.
    mutating func checkTLS() {
        let options = Option.access.filter { $0.name.hasPrefix("valkey.tls.") }
        let urls = ["valkey.cache_url", "valkey.state_url"]
        guard faulty.isDisjoint(with: options.map(\.name) + urls) else { return }
        let endpoints = configuration.valkey.endpoints.map { [$0.cache, $0.state] } ?? []
        guard endpoints.contains(where: \.isSecure) else {
            // Whoever sets one believes that the connection is encrypted.
            for option in options where option.value(in: configuration) != option.value(in: .standard) {
                faults.append(ConfigurationFault("\(option.name) needs a URL that begins with valkeys://"))
            }
            return
        }
        let tls = configuration.valkey.tls
        guard (tls.certificateFile == nil) == (tls.keyFile == nil) else {
            let reason = "valkey.tls.certificate_file and valkey.tls.key_file need each other"
            faults.append(ConfigurationFault(reason))
            return
        }
        do throws(TLSFileFault) {
            try tls.check()
        } catch {
            faults.append(ConfigurationFault(error.description))
        }
    }
}
