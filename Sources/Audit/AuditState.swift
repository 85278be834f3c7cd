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
        chain = AuditChain(key: key)
        objectKey = key.withByteView { key in
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
        var bytes: [UInt8]
        do throws(SecretFile.Fault) {
            bytes = try SecretFile.read(path, limit: 4096)
        } catch {
            throw AuditKey.Fault(description: "\(path) \(error.description)")
        }
        defer { bytes.wipe() }
        guard let state = bytes.withByteView({ AuditState($0) }) else {
            throw AuditKey.Fault(description: "\(path) is no state of an audit chain: move it away to begin a new one")
        }
        return state
    }

    /// Reads a state's text; nil where it is none.
    ///
    /// No copy of the key is left behind.
    private init?(_ text: ByteView) {
        guard let object = try? JSONScanner.scan(text, depthMax: 2) else { return nil }
        var next: Int64?
        var (key, previous, objectKey): ([UInt8]?, [UInt8]?, [UInt8]?)
        defer { key?.wipe() }
        var members = object.members()
        while let (name, value) = members.next() {
            if name.equals("next") {
                next = value.integer
            } else if name.equals("key") {
                key = value.string.flatMap { Hexadecimal.bytes(of: $0.raw) }
            } else if name.equals("previous") {
                previous = value.string.flatMap { Hexadecimal.bytes(of: $0.raw) }
            } else if name.equals("object_key") {
                objectKey = value.string.flatMap { Hexadecimal.bytes(of: $0.raw) }
            }
        }
        guard let next, next > 0, key?.count == AuditKey.byteCount, let previous, let objectKey,
            let secret = key?.withByteView({ SecretBytes(copying: $0) })
        else { return nil }
        self.init(chain: AuditChain(next: UInt64(next), key: secret, previous: previous), objectKey: objectKey)
    }

    /// Writes the file anew.
    func write(to path: String) throws(SystemError) {
        var text = ByteBuffer()
        // So that no copy of the key is left behind where it grew.
        text.reserve(1024)
        defer { text.wipe() }
        text.append("{\"next\":")
        text.append(decimal: chain.next)
        text.append(",\"key\":\"")
        chain.key.withByteView { text.append(hexadecimal: $0) }
        text.append("\",\"previous\":\"")
        text.append(text: chain.head)
        text.append("\",\"object_key\":\"")
        objectKey.withByteView { text.append(hexadecimal: $0) }
        text.append("\"}\n")
        try FileSystem.replace(path, with: text.view, isDurable: true)
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
