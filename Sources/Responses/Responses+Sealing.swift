import Bytes
public import Crypto
import Store

/// Responses that are encrypted in Valkey.
extension Responses {
    /// Encrypts responses under these keys from now on, the first of them; all of them open what was written before.
    public func setKeys(_ secrets: [SecretBytes]) {
        self.secrets = secrets
        sealer = nil
    }

    /// Encrypts and opens; made at the first use.
    private var currentSealer: ResponseSealer {
        if let sealer { return sealer }
        let made = ResponseSealer(secrets)
        sealer = made
        return made
    }

    /// Whether responses are encrypted, and only those read that are.
    private var areEncrypted: Bool {
        namespaces.hasEncrypted && Responses.namespace.withByteView { namespaces.settings(named: $0).isEncrypted }
    }

    /// An entry as it is to lie in Valkey, under a fingerprint.
    func stored(_ entry: [UInt8], _ fingerprint: [UInt8]) -> [UInt8] {
        areEncrypted ? currentSealer.seal(entry, name: name(fingerprint)) : entry
    }

    /// What lies in Valkey in plain text; nil where it cannot be read, or is not encrypted as it should be.
    func readable(_ stored: [UInt8], _ fingerprint: [UInt8]) -> [UInt8]? {
        guard ResponseSealer.isSealed(stored) else { return areEncrypted ? nil : stored }
        return currentSealer.open(stored, name: name(fingerprint))
    }
}
