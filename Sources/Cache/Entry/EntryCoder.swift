import Bytes
import Compression
import Sealing
import Store

/// Puts values into the form that they are stored in, and takes them out of it: compressed, encrypted, or both.
///
/// What is encrypted is bound to all of the entry's head but the place for a lease: whoever moves it to another key, or
/// gives it other tags or another stale period, has something that does not open. Libraries take memory at their first
/// use only. Its memory is used again for each value, so it belongs to one thread.
final class EntryCoder {
    private let compressor = Zstandard()
    private let sealer: EnvelopeSealer
    private var opened = ByteBuffer()
    private var inflated = ByteBuffer()
    private var place = ByteBuffer()

    /// Works with these keys, the primary one first.
    init(_ keys: KeyRing) {
        sealer = EnvelopeSealer(keys)
    }

    /// Takes other keys from now on.
    func setKeys(_ keys: KeyRing) {
        sealer.keys = keys
    }

    /// Appends an entry: head and value.
    ///
    /// - Parameters:
    ///   - value: The value.
    ///   - name: Full name of the entry's key.
    ///   - stale: How long it may be served after its life, in milliseconds.
    ///   - tags: Names and generations.
    ///   - settings: How the namespace stores values.
    ///   - stored: Receives the entry.
    func append(
        _ value: ByteView,
        name: ByteView,
        stale: Int64,
        tags: [(name: [UInt8], generation: [UInt8])],
        _ settings: NamespaceSettings,
        to stored: inout ByteBuffer
    ) {
        inflated.removeAll(keepingCapacityUpTo: 64 << 10)
        var payload = value
        var flags: EntryHead.Flags = []
        if settings.compressBytes > 0, value.count >= settings.compressBytes {
            compressor.compress(value, to: &inflated)
            // What hardly shrinks is not worth reading through the library.
            if inflated.count < value.count - value.count / 8 {
                payload = inflated.view
                flags.insert(.compressed)
            }
        }
        if settings.isEncrypted { flags.insert(.encrypted) }
        let start = stored.count
        EntryHead.append(name: name, staleMilliseconds: stale, tags: tags, flags, to: &stored)
        guard settings.isEncrypted else { return stored.append(payload) }
        makePlace(of: stored.view.dropFirst(start), hasStale: stale > 0)
        sealer.nextCommonSalt().withByteView { salt in
            sealer.seal(payload, EnvelopeHead(.entry), place: place.view, salt: salt, to: &stored)
        }
    }

    /// The value of an entry.
    ///
    /// - Parameters:
    ///   - head: The entry's head.
    ///   - bytesMax: Longest value.
    /// - Returns: The value, lent until the next call; nil where it is damaged, too long, or sealed under another key.
    func value(of head: EntryHead, bytesMax: Int) -> ByteView? {
        var payload = head.payload
        if head.flags.contains(.encrypted) {
            opened.removeAll(keepingCapacityUpTo: 64 << 10)
            makePlace(of: head.bytes, hasStale: head.flags.contains(.stale))
            do throws(EnvelopeFault) {
                let envelope = try Envelope(payload)
                guard envelope.kind == .entry else { return nil }
                try sealer.open(envelope, place: place.view, to: &opened)
            } catch {
                return nil
            }
            payload = opened.view
        }
        guard head.flags.contains(.compressed) else { return payload }
        inflated.removeAll(keepingCapacityUpTo: 64 << 10)
        guard compressor.decompress(payload, bytesMax: bytesMax, to: &inflated) else { return nil }
        return inflated.view
    }

    /// What an encrypted value is bound to: the head, with zeros in the place for a lease.
    private func makePlace(of head: ByteView, hasStale: Bool) {
        place.removeAll()
        place.append(head)
        guard hasStale else { return }
        for index in EntryHead.Layout.leaseEnd..<EntryHead.Layout.staleEnd { place.replace(at: index, with: 0) }
    }
}
