import Bytes
import Compression
import TestSupport
import Testing

@Suite("Compression")
struct ZstandardTests {
    private func compressed(_ text: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        text.withByteView { Zstandard().compress($0, to: &buffer) }
        return buffer.view.copy()
    }

    private func decompressed(_ frame: [UInt8], bytesMax: Int = 1 << 20) -> [UInt8]? {
        var buffer = ByteBuffer()
        buffer.append("before")
        let isWhole = frame.withByteView { Zstandard().decompress($0, bytesMax: bytesMax, to: &buffer) }
        #expect(buffer.view.hasPrefix("before"))
        if !isWhole { #expect(buffer.count == 6) }
        return isWhole ? buffer.view.dropFirst(6).copy() : nil
    }

    @Test("gives back what it was given", arguments: [0, 1, 100, 1000, 100_000])
    func roundTrip(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        let noise = (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
        let text = Array(String(repeating: "{\"name\":\"Ada\"},", count: count / 10 + 1).utf8)
        #expect(decompressed(compressed(noise)) == noise)
        #expect(decompressed(compressed(text)) == text)
        if count >= 1000 { #expect(compressed(text).count < text.count / 10) }
    }

    @Test("gives back no more than it is allowed to, however small the frame")
    func bomb() {
        let frame = compressed([UInt8](repeating: 0, count: 8 << 20))
        #expect(frame.count < 2000)
        #expect(decompressed(frame, bytesMax: 8 << 20 - 1) == nil)
        #expect(decompressed(frame, bytesMax: 8 << 20)?.count == 8 << 20)
        // A frame that claims what no memory holds: 2^62 bytes, in the head's own field of eight bytes.
        let claim: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40]
        #expect(decompressed(claim) == nil)
    }

    @Test("refuses what is no frame, is cut off, or has a byte of it changed to another length")
    func damage() {
        let text = Array(String(repeating: "squire ", count: 50).utf8)
        let frame = compressed(text)
        for count in frame.indices { #expect(decompressed(Array(frame.prefix(count))) == nil, "\(count) bytes") }
        #expect(decompressed(frame + [0]) == nil)
        #expect(decompressed(Array("no frame at all".utf8)) == nil)
        for index in frame.indices {
            var damaged = frame
            damaged[index] ^= 0x55
            // Whatever it says now, it is within the bound and no crash.
            let result = decompressed(damaged, bytesMax: 4096)
            #expect((result?.count ?? 0) <= 4096)
        }
    }
}
