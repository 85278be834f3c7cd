import Bytes
import Crypto
import Sealing

/// Encrypts entries and opens them again.
///
/// What lies in Valkey begins with ``mark`` and the entry's id, which has the place that it has in plain text, so scripts
/// find it there; behind them is an envelope of the whole entry. It is bound to that beginning and to the name of the
/// response's key: moved to another key it does not open. Its memory is used again for each entry, so it belongs to one
/// thread.
final class ResponseSealer {
    /// What an encrypted entry begins with: as long as what stands before the id in plain text.
    static let mark: StaticString = "\u{01}sealed"
    /// Length of mark and id.
    static let headBytes = StoredResponse.idBounds.upperBound

    private let sealer: EnvelopeSealer

    /// Works with these keys, the primary one first.
    init(_ secrets: [SecretBytes]) {
        sealer = EnvelopeSealer(KeyRing(secrets.map { MasterKey($0) }))
    }

    /// Whether something that lies in Valkey is an encrypted entry.
    static func isSealed(_ stored: [UInt8]) -> Bool { stored.withByteView { $0.hasPrefix(mark) } }

    /// Encrypts an entry.
    ///
    /// - Parameters:
    ///   - entry: The entry in plain text.
    ///   - name: Full name of its key.
    /// - Returns: What is to lie in Valkey.
    func seal(_ entry: [UInt8], name: [UInt8]) -> [UInt8] {
        var stored = ByteBuffer()
        stored.append(ResponseSealer.mark)
        stored.append(StoredResponse.id(of: entry))
        let place = stored.view.copy() + name
        entry.withByteView { entry in
            place.withByteView { place in
                sealer.nextCommonSalt().withByteView { salt in
                    sealer.seal(entry, EnvelopeHead(.response), place: place, salt: salt, to: &stored)
                }
            }
        }
        return stored.view.copy()
    }

    /// Opens what lies in Valkey.
    ///
    /// - Parameters:
    ///   - stored: What ``isSealed(_:)`` says is an encrypted entry.
    ///   - name: Full name of the key that it lies under.
    /// - Returns: The entry in plain text; nil where it is damaged, of another key, or sealed under a key that is not held.
    func open(_ stored: [UInt8], name: [UInt8]) -> [UInt8]? {
        guard stored.count > ResponseSealer.headBytes else { return nil }
        let place = Array(stored[..<ResponseSealer.headBytes]) + name
        var entry = ByteBuffer()
        return stored.withByteView { stored in
            do throws(EnvelopeFault) {
                let envelope = try Envelope(stored.dropFirst(ResponseSealer.headBytes))
                guard envelope.kind == .response else { return nil }
                try place.withByteView { (place) throws(EnvelopeFault) in
                    try sealer.open(envelope, place: place, to: &entry)
                }
                return entry.view.copy()
            } catch {
                return nil
            }
        }
    }
}
