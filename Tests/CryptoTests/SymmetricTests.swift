import Bytes
import Testing

@testable import Crypto

@Suite("Symmetric cryptography")
struct SymmetricTests {
    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8).map { UInt8(String(decoding: [$0], as: UTF8.self), radix: 16) ?? 0 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    @Test("HKDF gives what RFC 5869 says in its first test case")
    func hkdf() {
        let key = [UInt8](repeating: 0x0b, count: 22)
        let salt = Self.bytes("000102030405060708090a0b0c")
        let info = Self.bytes("f0f1f2f3f4f5f6f7f8f9")
        let output = key.withByteView { key in
            salt.withByteView { salt in
                info.withByteView { KeyDerivation.hkdf(key: key, salt: salt, info: $0, count: 42) }
            }
        }
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        #expect(output == Self.bytes(expected))
    }

    @Test("HKDF without salt gives what RFC 5869 says in its third test case")
    func hkdfWithoutSalt() {
        let key = [UInt8](repeating: 0x0b, count: 22)
        let output = key.withByteView { KeyDerivation.hkdf(key: $0, salt: .empty, info: .empty, count: 42) }
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        #expect(output == Self.bytes(expected))
    }

    @Test("HMAC gives what RFC 4231 says in its second test case")
    func hmac() {
        let output = KeyDerivation.hmac(key: ByteView("Jefe"), ByteView("what do ya want for nothing?"))
        #expect(output == Self.bytes("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
    }

    @Test("SHA-256 gives what FIPS 180-4 says of abc, with a hasher that was used before")
    func sha256() {
        let hasher = SHA256()
        _ = hasher.digest(of: ByteView("something else"))
        let expected = Self.bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(hasher.digest(of: ByteView("abc")) == expected)
    }

    @Test("AES-256-GCM gives what NIST's validation vectors say")
    func gcm() {
        // gcmEncryptExtIV256.rsp of the CAVP, PTlen = 128, AADlen = 128, count 0.
        let key = Self.bytes("92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b")
        let nonce = Self.bytes("ac93a1a6145299bde902f21a")
        let text = Self.bytes("2d71bcfa914e4ac045b2aa60955fad24")
        let associated = Self.bytes("1e0889016f67601c8ebea4943bc23ad6")
        let sealed = Self.bytes("8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab")
        var output = ByteBuffer()
        var opened = ByteBuffer()
        var isOpen = false
        key.withByteView { key in
            nonce.withByteView { nonce in
                associated.withByteView { associated in
                    let parts = (associated.prefix(5), associated.dropFirst(5))
                    let aead = AEAD()
                    text.withByteView { aead.seal($0, key: key, nonce: nonce, associated: parts, to: &output) }
                    isOpen = aead.open(output.view, key: key, nonce: nonce, associated: parts, to: &opened)
                }
            }
        }
        #expect(output.view.copy() == sealed)
        #expect(isOpen)
        #expect(opened.view.copy() == text)
    }

    @Test("Random bytes are others every time, and secrets are what was put in")
    func random() {
        #expect(RandomBytes.make(32) != RandomBytes.make(32))
        #expect(RandomBytes.secret(32).withByteView { $0.copy() } != RandomBytes.secret(32).withByteView { $0.copy() })
        let secret = SecretBytes(copying: ByteView("correct horse"))
        #expect(secret.withByteView { $0.text() } == "correct horse")
        var bytes = Array("battery staple".utf8)
        bytes.wipe()
        #expect(bytes == [UInt8](repeating: 0, count: 14))
    }
}
