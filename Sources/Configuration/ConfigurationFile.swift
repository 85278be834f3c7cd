import Bytes
import Glibc
import JSON
import Linux

/// The configuration file as a document.
enum ConfigurationFile {
    /// Longest file that is read.
    private static let bytesMax = 1 << 20

    /// Reads the file at `path`.
    ///
    /// - Parameters:
    ///   - path: Where it is.
    ///   - isOptional: Whether there may be none.
    /// - Returns: Its members; nil where there is no file.
    /// - Throws: ``ConfigurationFault`` with the path, and with line and column where the text is not JSON.
    static func read(_ path: String, isOptional: Bool) throws(ConfigurationFault) -> DocumentObject? {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileDescriptor.open(path, flags: O_RDONLY).readAll(limit: bytesMax)
        } catch {
            if isOptional, error.code == ENOENT || error.code == ENOTDIR { return nil }
            throw ConfigurationFault("\(path): cannot be read: \(error.reason)")
        }
        let document: Document
        do throws(DocumentError) {
            document = try Document.parse(bytes)
        } catch {
            throw ConfigurationFault("\(path): \(error)")
        }
        guard let members = document.object else { throw ConfigurationFault("\(path): must hold a JSON object") }
        return members
    }
}
