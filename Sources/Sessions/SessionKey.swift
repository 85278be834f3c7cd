import Bytes
import JSON
import JSONRPC
import Store
import Valkey

/// One session as steps of a task name it: slot tag, digest of the token, namespace.
struct SessionKey: Sendable {
    /// Decides, with what else is in braces in a key's name, on the slot in a Cluster.
    let tag: UInt16
    /// SHA-256 of the token, 32 bytes.
    let digest: [UInt8]
    /// The namespace's name; nil for the one without.
    let namespace: [UInt8]?

    /// The digest in hexadecimal: the session's member in its subject's index.
    var member: [UInt8] {
        var buffer = ByteBuffer()
        digest.withByteView { buffer.append(hexadecimal: $0) }
        return buffer.view.copy()
    }

    /// The handle by which the session is named in lists.
    var handle: [UInt8] { tagText + member }

    /// The slot tag in hexadecimal.
    var tagText: [UInt8] { SessionKey.text(ofTag: tag) }

    /// What the session's envelope is bound to.
    var place: [UInt8] {
        var buffer = ByteBuffer()
        digest.withByteView { digest in
            guard let namespace else { return Place.append(digest, nil, to: &buffer) }
            namespace.withByteView { Place.append(digest, $0, to: &buffer) }
        }
        return buffer.view.copy()
    }

    /// A slot tag in hexadecimal.
    static func text(ofTag tag: UInt16) -> [UInt8] {
        var buffer = ByteBuffer()
        SessionToken.append(tag: tag, to: &buffer)
        return buffer.view.copy()
    }
}

extension Keyspace {
    /// What the names of a family's keys in one slot begin with, the tag in braces included.
    func stem(_ family: KeyFamily, _ namespace: [UInt8]?, tag: UInt16) -> [UInt8] {
        stem(family, namespace) + [UInt8(ascii: "{")] + SessionKey.text(ofTag: tag) + [UInt8(ascii: "}")]
    }

    /// The name of a session's key, or of its copy.
    func name(_ family: KeyFamily, _ key: SessionKey) -> [UInt8] {
        stem(family, key.namespace, tag: key.tag) + key.member
    }

    /// The name of the index that a session's head names.
    func indexName(_ key: SessionKey, _ index: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        index.withByteView { buffer.append(hexadecimal: $0) }
        return stem(.sessionIndex, key.namespace, tag: key.tag) + buffer.view.copy()
    }
}
