import Bytes
import Testing

@Suite("Base64")
struct Base64Tests {
    private func encode(_ input: [UInt8]) -> String {
        writtenText { buffer in input.withByteView { Base64.encode($0, to: &buffer) } }
    }

    /// What `input` encodes, or nil where it is refused; refused input must leave the buffer as it was.
    private func decode(_ input: String) -> [UInt8]? {
        var isValid = false
        let result = writtenBytes { buffer in
            buffer.append("held")
            isValid = input.withByteView { Base64.decode($0, to: &buffer) }
            if !isValid {
                let isUntouched = buffer.view.equals("held")
                #expect(isUntouched)
            }
            buffer.consume(4)
        }
        return isValid ? result : nil
    }

    @Test(
        "has the vectors of RFC 4648 section 10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
    )
    func vectors(plain: String, encoded: String) {
        #expect(encode(Array(plain.utf8)) == encoded)
        #expect(decode(encoded) == Array(plain.utf8))
    }

    @Test("carries every byte, in every place of a group, there and back")
    func roundTrip() {
        for count in 0..<10 {
            for byte in UInt8.min...UInt8.max {
                let input = (0..<count).map { byte &+ UInt8($0) &* 85 }
                #expect(decode(encode(input)) == input)
            }
        }
    }

    @Test("uses the whole alphabet")
    func alphabet() throws {
        let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        #expect(encode(try #require(decode(digits))) == digits)
    }

    @Test(
        "refuses what is malformed, and then leaves the buffer alone",
        arguments: [
            "Z", "Zg", "Zg=", "Zm9vY", "Zm9vYg=", "=", "==", "===", "====", "Z===", "=Zg=", "Zg=v", "Z=g=",
            "Zg==Zg==", "Zm8=Zm8=", "Zm9v====", "Zm9v\n", " Zm9v", "Zm9v ", "Zm 9", "Zm-v", "Zm_v", "Zm9\0", "Zmé",
            "Zm9vZm9*", "Zg==\n", "Zh==", "Zm9=", "Zn==", "Zm//Zm9=",
        ]
    )
    func malformed(input: String) {
        #expect(decode(input) == nil)
    }
}
