import Bytes
import Crypto
import Glibc
import Linux

/// Verifies audit files from beginning to end: what `rpc audit.verify` runs.
public enum AuditVerification {
    /// What was found.
    public struct Report: Equatable, Sendable {
        /// Whether every line is as the agent wrote it.
        public let isValid: Bool
        /// What to tell: one line.
        public let text: String
    }

    /// Reads and verifies files.
    ///
    /// - Parameters:
    ///   - paths: The files, in the order in which they were written; the last may still grow.
    ///   - keyPath: The file of the key that the chain began with.
    ///   - heads: Lines that must be there.
    /// - Returns: The report, with file and line of the first fault.
    /// - Throws: ``AuditKey/Fault`` where the key cannot be read.
    public static func run(
        _ paths: [String],
        keyPath: String,
        heads: [AuditVerifier.Head]
    ) throws(AuditKey.Fault) -> Report {
        let key = try AuditKey.read(keyPath)
        var verifier = AuditVerifier(key: key, heads: heads)
        for path in paths {
            let before = verifier.count
            do throws(AuditVerifier.Fault) {
                try verify(path, &verifier)
            } catch {
                let place = error.line.map { "\(path): line \($0 - before): " } ?? "\(path): "
                return Report(isValid: false, text: place + error.reason)
            }
        }
        do throws(AuditVerifier.Fault) {
            try verifier.finish()
        } catch {
            return Report(isValid: false, text: error.reason)
        }
        guard let first = verifier.first else { return Report(isValid: true, text: "no lines") }
        let text =
            "\(verifier.count) lines, \(first) to \(verifier.last), as written; head \(verifier.last):\(verifier.head)"
        return Report(isValid: true, text: text)
    }

    private static func verify(_ path: String, _ verifier: inout AuditVerifier) throws(AuditVerifier.Fault) {
        let number = verifier.count + 1
        guard let file = try? FileDescriptor.open(path, flags: O_RDONLY) else {
            throw AuditVerifier.Fault(line: number, reason: "the file cannot be read")
        }
        var buffer = ByteBuffer()
        var offset = 0
        while true {
            let chunk = file.bytes(from: offset, limit: 1 << 20)
            guard !chunk.isEmpty else { break }
            offset += chunk.count
            buffer.append(chunk)
            while let end = buffer.view.firstIndex(of: UInt8(ascii: "\n")) {
                try verifier.take(buffer.view.prefix(end))
                buffer.consume(end + 1)
            }
        }
        guard buffer.isEmpty else {
            throw AuditVerifier.Fault(line: verifier.count + 1, reason: "is not whole: the file was cut")
        }
    }
}
