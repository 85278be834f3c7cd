import Bytes
import Crypto
import Glibc
import JSON
import Linux

/// What an agent must remember of its chain to go on with it: kept in a file, replaced every second in which something
/// was written.
struct AuditState {
    /// The chain after the last line that is surely on the disk.
    var chain: AuditChain
    /// Makes names of objects unreadable; the same for the whole chain.
    let objectKey: [UInt8]

    /// Begins a chain with `key`.
    init(key: SecretBytes) {
        let bytes = key.withByteView { $0.copy() }
        chain = AuditChain(key: bytes)
        objectKey = bytes.withByteView { key in
            KeyDerivation.hmac(key: key, ByteView("squire audit objects"))
        }
    }

    private init(chain: AuditChain, objectKey: [UInt8]) {
        self.chain = chain
        self.objectKey = objectKey
    }

    /// Reads the file at `path`; nil where there is none.
    ///
    /// - Throws: ``AuditKey/Fault`` where it makes no sense.
    static func read(_ path: String) throws(AuditKey.Fault) -> AuditState? {
        guard FileSystem.exists(path) else { return nil }
        let bytes: [UInt8]
        do throws(SecretFile.Fault) {
            bytes = try SecretFile.read(path, limit: 4096)
        } catch {
            throw AuditKey.Fault(description: "\(path) \(error.description)")
        }
        guard let document = try? Document.parse(bytes), let next = document["next"]?.integer, next > 0,
            let key = document["key"]?.string?.withByteView({ Hexadecimal.bytes(of: $0) }),
            key.count == AuditKey.byteCount,
            let previous = document["previous"]?.string?.withByteView({ Hexadecimal.bytes(of: $0) }),
            let objectKey = document["object_key"]?.string?.withByteView({ Hexadecimal.bytes(of: $0) })
        else {
            throw AuditKey.Fault(description: "\(path) is no state of an audit chain: move it away to begin a new one")
        }
        return AuditState(
            chain: AuditChain(next: UInt64(next), key: key, previous: previous),
            objectKey: objectKey
        )
    }

    /// Writes the file anew.
    func write(to path: String) throws(SystemError) {
        let text = """
            {"next":\(chain.next),"key":"\(Hexadecimal.text(of: chain.key))","previous":"\(chain.head)",\
            "object_key":"\(Hexadecimal.text(of: objectKey))"}

            """
        try Array(text.utf8).withByteView { (view) throws(SystemError) in
            try FileSystem.replace(path, with: view, isDurable: true)
        }
    }

    /// Goes on behind the lines that reached the file after the state was written, as a crash leaves it.
    ///
    /// - Parameter lines: What the file holds, whole lines only.
    /// - Returns: How many lines there were.
    mutating func catchUp(with lines: [UInt8]) -> Int {
        var count = 0
        lines.withByteView { view in
            var rest = view
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = AuditLine(rest.prefix(end))
                rest = rest.dropFirst(end + 1)
                guard let line, line.sequence == chain.next, line.previous == chain.previous,
                    line.code == chain.code(of: line.signed)
                else { continue }
                chain.advance(line.code)
                count += 1
            }
        }
        return count
    }
}
