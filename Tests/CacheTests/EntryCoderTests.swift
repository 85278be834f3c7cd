import Bytes
import Crypto
import Sealing
import Store
import Testing

@testable import Cache

@Suite("Values in the form that they are stored in")
struct EntryCoderTests {
    private let value = Array(String(repeating: "{\"name\":\"Ada\"},", count: 100).utf8)

    private func ring(_ count: Int = 1) -> KeyRing {
        KeyRing((0..<count).map { _ in MasterKey(RandomBytes.secret(32)) })
    }

    private func settings(compress: Int, encrypt: Bool) -> NamespaceSettings {
        var settings = NamespaceSettings(defaultLifeMilliseconds: nil)
        settings.compressBytes = compress
        settings.isEncrypted = encrypt
        return settings
    }

    private func stored(
        _ coder: EntryCoder,
        _ value: [UInt8],
        compress: Int = 0,
        encrypt: Bool = true,
        stale: Int64 = 500
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        value.withByteView { value in
            coder.append(
                value,
                name: ByteView("cache@n:k"),
                stale: stale,
                tags: [(name: Array("t".utf8), generation: [UInt8](repeating: 3, count: 16))],
                settings(compress: compress, encrypt: encrypt),
                to: &buffer
            )
        }
        return buffer.view.copy()
    }

    private func read(_ coder: EntryCoder, _ stored: [UInt8], bytesMax: Int = 1 << 20) -> [UInt8]? {
        stored.withByteView { bytes in
            EntryHead(bytes).flatMap { coder.value(of: $0, bytesMax: bytesMax)?.copy() }
        }
    }

    @Test(
        "are read as they were given, compressed, encrypted and both",
        arguments: [(0, true), (100, false), (100, true)]
    )
    func roundTrip(compress: Int, encrypt: Bool) {
        let coder = EntryCoder(ring())
        for text in [value, Array("1".utf8), [], [1, 69, 0]] {
            let entry = stored(coder, text, compress: compress, encrypt: encrypt)
            #expect(read(coder, entry) == text)
        }
        let entry = stored(coder, value, compress: compress, encrypt: encrypt)
        #expect((entry.count < value.count / 2) == (compress > 0))
        let holds = entry.withByteView { $0.contains("Ada") }
        #expect(!holds || !encrypt)
    }

    @Test("are not read once a byte was changed, but in the place for a lease")
    func damage() {
        let coder = EntryCoder(ring())
        let entry = stored(coder, value)
        for index in entry.indices {
            var damaged = entry
            damaged[index] ^= 1
            let isLease = (EntryHead.Layout.leaseEnd..<EntryHead.Layout.staleEnd).contains(index)
            // The last field of the envelope's head is not authenticated, as docs/reference/session-envelope.md says.
            let head = entry.withByteView { EntryHead($0)?.bytes.count ?? 0 }
            let isSeen = (head + 96..<head + 104).contains(index)
            #expect((read(coder, damaged) == value) == (isLease || isSeen), "byte \(index)")
        }
    }

    @Test("are read under older keys, and not under others")
    func keys() {
        let (old, new) = (MasterKey(RandomBytes.secret(32)), MasterKey(RandomBytes.secret(32)))
        let coder = EntryCoder(KeyRing([old]))
        let entry = stored(coder, value)
        coder.setKeys(KeyRing([new, old]))
        #expect(read(coder, entry) == value)
        let newer = stored(coder, value)
        #expect(read(EntryCoder(KeyRing([new])), newer) == value)
        #expect(read(EntryCoder(KeyRing([new])), entry) == nil)
        #expect(read(EntryCoder(ring()), newer) == nil)
    }

    @Test("are not read where they are longer than a reply may be")
    func bound() {
        let coder = EntryCoder(ring())
        let entry = stored(coder, [UInt8](repeating: 32, count: 1 << 20), compress: 1)
        #expect(entry.count < 10_000)
        #expect(read(coder, entry, bytesMax: 1 << 20 - 1) == nil)
        #expect(read(coder, entry, bytesMax: 1 << 20)?.count == 1 << 20)
    }
}
