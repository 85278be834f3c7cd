public import Crypto
import Glibc
import Linux

/// How TLS is spoken with a server: the files of certificates, the name to check, and the oldest version.
public struct TLSConfiguration: Equatable, Sendable {
    /// Path of the certificates of the CAs that are trusted, in PEM; nil for those that the system trusts.
    public var authoritiesFile: String?
    /// Path of our own certificate and those between it and its CA, in PEM; nil for none.
    public var certificateFile: String?
    /// Path of that certificate's private key, in PEM and not encrypted; nil where there is no certificate.
    public var keyFile: String?
    /// Whom the server's certificate has to name; nil for the host in the URL.
    public var serverName: String?
    /// The oldest version that is spoken.
    public var versionMin = TLSVersion.tls12

    /// Longest file that is read, in bytes: the CAs of a whole system are a quarter of a MiB.
    private static let fileBytesMax = 4 << 20

    /// The defaults: the system's CAs, no certificate of our own, TLS 1.2.
    public init() {}

    /// Reads the files and puts them together once, to find what is wrong with them.
    ///
    /// It blocks for as long as the disk takes.
    ///
    /// - Throws: ``TLSFileFault``.
    public func check() throws(TLSFileFault) {
        _ = try makeContext()
    }

    /// Reads the files.
    ///
    /// It blocks for as long as the disk takes: never call it on the event loop.
    ///
    /// - Returns: What connections from now on use.
    /// - Throws: ``TLSFileFault``.
    func makeContext() throws(TLSFileFault) -> TLSContext {
        var authorities: [UInt8]?
        if let authoritiesFile { authorities = try read(authoritiesFile, .authorities) }
        var identity: TLSIdentity?
        if let certificateFile, let keyFile {
            identity = TLSIdentity(certificates: try read(certificateFile, .certificate), key: try readKey(keyFile))
        }
        do throws(TLSError) {
            return try TLSContext(authorities: authorities, identity: identity, versionMin: versionMin)
        } catch {
            switch error.code {
            case .badCertificate: throw TLSFileFault(.certificate, certificateFile, error.message)
            case .badKey: throw TLSFileFault(.key, keyFile, error.message)
            default: throw TLSFileFault(.authorities, authoritiesFile, error.message)
            }
        }
    }

    private func read(_ path: String, _ file: TLSFileFault.File) throws(TLSFileFault) -> [UInt8] {
        do throws(SystemError) {
            return try FileDescriptor.open(path, flags: O_RDONLY).readAll(limit: TLSConfiguration.fileBytesMax)
        } catch {
            throw TLSFileFault(file, path, "cannot be read: \(error.reason)")
        }
    }

    private func readKey(_ path: String) throws(TLSFileFault) -> [UInt8] {
        do throws(SecretFile.Fault) {
            return try SecretFile.read(path, limit: TLSConfiguration.fileBytesMax)
        } catch {
            throw TLSFileFault(.key, path, error.description)
        }
    }
}

/// Why a file of certificates or its key cannot be used.
public struct TLSFileFault: Error, Equatable, Sendable {
    /// A file, by the option that names it.
    public enum File: String, Sendable {
        /// The CAs that are trusted.
        case authorities = "valkey.tls.ca_file"
        /// Our own certificate.
        case certificate = "valkey.tls.certificate_file"
        /// Its key.
        case key = "valkey.tls.key_file"
    }

    /// Which file.
    public let file: File
    /// Its path and what is wrong, in words.
    public let reason: String

    init(_ file: File, _ path: String?, _ reason: String) {
        self.file = file
        self.reason = "\(path ?? "the system's CAs") \(reason)"
    }

    /// The option's name and what is wrong, in words.
    public var description: String { "\(file.rawValue): \(reason)" }
}
