import Bytes
import Crypto
public import Store
import Valkey

/// Where a lock, a semaphore or an election lies in Valkey: two keys in one slot.
///
/// The name stands in braces, the part of a key that decides on its slot; a name that holds braces itself is preceded
/// by its digest instead.
public struct LeasePlace: Hashable, Sendable {
    /// What it is.
    public let kind: LeaseKind
    /// Its name, as clients write it.
    public let name: [UInt8]
    /// The hash of who holds it, its fence, and what is known of those who wait.
    public let key: [UInt8]
    /// The sorted set of those who wait.
    public let queue: [UInt8]

    /// The place of a name.
    public init(_ kind: LeaseKind, _ name: [UInt8], _ keyspace: Keyspace) {
        self.kind = kind
        self.name = name
        let (open, close) = (UInt8(ascii: "{"), UInt8(ascii: "}"))
        let isPlain = !name.contains { $0 == open || $0 == close }
        let tag = isPlain ? name : name.withByteView { Digest.sha1Hexadecimal($0) }
        let rest = isPlain ? [] : name
        func key(_ family: KeyFamily) -> [UInt8] {
            var key = keyspace.stem(family, nil, reserving: tag.count + rest.count + 2)
            key.append(open)
            key += tag
            key.append(close)
            key += rest
            return key
        }
        self.key = key(kind.holders)
        queue = key(kind.queue)
    }

    /// The name in a key without prefix and family.
    ///
    /// - Parameter tagged: What ``key`` has behind the family's colon.
    /// - Returns: The name; nil where it is no such key.
    public static func name(inTagged tagged: ArraySlice<UInt8>) -> [UInt8]? {
        guard tagged.first == UInt8(ascii: "{"), let close = tagged.firstIndex(of: UInt8(ascii: "}")) else {
            return nil
        }
        let rest = tagged[(close + 1)...]
        let name = rest.isEmpty ? tagged[(tagged.startIndex + 1)..<close] : rest
        return name.isEmpty ? nil : Array(name)
    }

    /// Appends both keys as words of a command.
    func append(to command: inout ByteBuffer) {
        key.withByteView { command.append(word: $0) }
        queue.withByteView { command.append(word: $0) }
    }
}
