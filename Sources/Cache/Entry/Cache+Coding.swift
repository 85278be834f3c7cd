import Bytes
public import Crypto
import JSON
import JSONRPC
import Sealing
import Store

extension Cache {
    /// Encrypts entries under these keys from now on, the first of them; all of them open what was written before.
    public func setKeys(_ secrets: [SecretBytes]) {
        // What no key opens any more is not to be read from memory either.
        if secrets.map({ MasterKey($0).id }) != self.secrets.map({ MasterKey($0).id }) { near.forgetEverything() }
        self.secrets = secrets
        coderStorage?.setKeys(KeyRing(secrets.map { MasterKey($0) }))
    }

    /// Compresses and encrypts values; made at the first use.
    private var coder: EntryCoder {
        if let coderStorage { return coderStorage }
        let coder = EntryCoder(KeyRing(secrets.map { MasterKey($0) }))
        coderStorage = coder
        return coder
    }

    /// The value of an entry with a head.
    ///
    /// - Returns: The value, lent until the next call; nil where it cannot be read, or is not encrypted as it should be.
    func value(of head: EntryHead, _ namespace: UInt16) -> ByteView? {
        let isSealed = head.flags.contains(.encrypted)
        let isReadable = isSealed || !mustBeEncrypted(namespace)
        if isReadable, head.flags.isDisjoint(with: [.compressed, .encrypted]) { return head.payload }
        if isReadable, let value = coder.value(of: head, bytesMax: calls.limits.replyBytesMax) { return value }
        countUnreadable(namespace)
        return nil
    }

    /// Whether values of a namespace are stored in another form than they are given in.
    func isEncoded(_ namespace: JSONString?) -> Bool {
        namespaces.hasEncoded && namespaces.settings(of: namespace).isEncoded
    }

    /// Whether only encrypted entries of a namespace are read.
    func mustBeEncrypted(_ namespace: UInt16) -> Bool {
        namespaces.hasEncrypted && settings(ofNumber: namespace).isEncrypted
    }

    func countUnreadable(_ namespace: UInt16) {
        register.counts[Int(namespace)].unreadable += 1
    }

    /// Appends an entry as it is stored: its value, with a head where it needs one.
    func append(
        stored value: ByteView,
        name: [UInt8],
        stale: Int64,
        tags: [(name: [UInt8], generation: [UInt8])],
        _ namespace: UInt16,
        to stored: inout ByteBuffer
    ) {
        let settings = namespaces.hasEncoded ? settings(ofNumber: namespace) : nil
        name.withByteView { name in
            if let settings, settings.changes(value) {
                coder.append(value, name: name, stale: stale, tags: tags, settings, to: &stored)
            } else if stale > 0 || !tags.isEmpty {
                EntryHead.append(name: name, staleMilliseconds: stale, tags: tags, to: &stored)
                stored.append(value)
            } else {
                StoredMark.append(plain: value, to: &stored)
            }
        }
    }
}

extension NamespaceSettings {
    /// Whether a value is stored in another form than it is given in.
    fileprivate func changes(_ value: ByteView) -> Bool {
        isEncrypted || compressBytes > 0 && value.count >= compressBytes
    }
}
