import Bytes
import Store

/// The name of a session's key in Valkey, taken apart: `<prefix>session[@<namespace>]:{<tag>}<digest>`.
struct SessionName: Sendable {
    /// The session that the name is of.
    let key: SessionKey

    /// Reads a name; nil where it is none of a session.
    init?(_ name: [UInt8], _ keyspace: Keyspace) {
        let beginning = keyspace.prefix + Array("session".utf8)
        guard name.starts(with: beginning) else { return nil }
        var rest = name.dropFirst(beginning.count)
        var namespace: [UInt8]?
        if rest.first == UInt8(ascii: "@") {
            guard let colon = rest.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            namespace = Array(rest[..<colon].dropFirst())
            rest = rest[colon...]
        }
        // A colon, a tag in braces, a digest.
        let parts = Array(rest)
        guard parts.count == 3 + SessionToken.handleBytes, parts[0] == UInt8(ascii: ":"),
            parts[1] == UInt8(ascii: "{"), parts[6] == UInt8(ascii: "}"), namespace?.isEmpty != true,
            (namespace?.count ?? 0) <= 64
        else { return nil }
        let handle = parts[2..<6] + parts[7...]
        guard let (tag, digest) = Array(handle).withByteView({ SessionToken.read(handle: $0) }) else { return nil }
        key = SessionKey(tag: tag, digest: digest, namespace: namespace)
    }
}
