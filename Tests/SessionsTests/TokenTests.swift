import Bytes
import Testing

@testable import Sessions

@Suite("Tokens and handles")
struct TokenTests {
    @Test("A token is its slot tag and 43 digits of base64url, and never the same twice")
    func form() {
        var tokens: Set<[UInt8]> = []
        for tag: UInt16 in [0, 1, 0x1a2b, 0x3fff] {
            for _ in 0..<200 {
                let token = SessionToken.make(tag: tag)
                #expect(token.count == SessionToken.byteCount)
                #expect(token.withByteView { SessionToken.tag(of: $0) } == tag)
                tokens.insert(Array(token.dropFirst(4)))
            }
        }
        #expect(tokens.count == 800)
    }

    @Test(
        "What has another form is no token",
        arguments: [
            "", "0a1b", "0a1b" + String(repeating: "A", count: 42), "0a1b" + String(repeating: "A", count: 44),
            "4000" + String(repeating: "A", count: 43), "0A1B" + String(repeating: "A", count: 43),
            String(repeating: "é", count: 23) + "A",
        ]
    )
    func others(_ text: String) {
        #expect(text.withByteView { SessionToken.tag(of: $0) } == nil)
    }

    @Test("A handle names the slot tag and the digest, and nothing else is one")
    func handles() throws {
        let digest = (0..<32).map { UInt8($0 * 7 & 0xff) }
        let key = SessionKey(tag: 0x0a1b, digest: digest, namespace: nil)
        let read = try #require(key.handle.withByteView { SessionToken.read(handle: $0) })
        #expect(read.tag == 0x0a1b)
        #expect(read.digest == digest)
        for text in ["", "0a1b", String(decoding: key.handle.dropLast(), as: UTF8.self) + "g"] {
            #expect(text.withByteView { SessionToken.read(handle: $0) } == nil)
        }
        #expect(key.handle.dropLast().withContiguous { SessionToken.read(handle: $0) } == nil)
    }
}

extension ArraySlice<UInt8> {
    fileprivate func withContiguous<Result>(_ body: (ByteView) -> Result) -> Result {
        Array(self).withByteView(body)
    }
}
