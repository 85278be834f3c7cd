import Bytes
import Crypto
import Glibc
import TestSupport
import Testing

@testable import Sealing

@Suite("Files of keys")
struct KeyFileTests {
    private static let key = (0..<32).map { UInt8($0 * 5 & 0xff) }

    private func write(_ bytes: [UInt8], _ path: String, mode: UInt32 = 0o600) throws {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        #expect(fchmod(descriptor, mode) == 0)
    }

    private func read(_ paths: [String], credentials: String? = nil) throws -> [[UInt8]] {
        try KeyFiles.read(paths, credentials: credentials).map { $0.withByteView { $0.copy() } }
    }

    @Test("A key is 32 bytes as they are, in hexadecimal, or in Base64, with or without a newline")
    func forms() {
        let hexadecimal = Self.key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        var base64 = ByteBuffer()
        Self.key.withByteView { Base64.encode($0, to: &base64) }
        let forms = [
            Self.key, Array(hexadecimal.utf8), Array((hexadecimal.uppercased() + "\n").utf8), base64.view.copy(),
            base64.view.copy() + Array("\r\n".utf8),
        ]
        for form in forms { #expect(KeyFiles.secret(form)?.withByteView { $0.copy() } == Self.key) }
    }

    @Test("What is too short, too long, or no key at all is refused")
    func noKeys() {
        let forms: [[UInt8]] = [
            [], Array(Self.key.dropLast()), Self.key + [1], [UInt8](repeating: 0, count: 32),
            Array("correct horse battery staple".utf8), [UInt8](repeating: UInt8(ascii: "0"), count: 64),
        ]
        for form in forms { #expect(KeyFiles.secret(form) == nil) }
    }

    @Test("A file that others may read is refused, whatever is in it", arguments: [0o640, 0o604, 0o660, 0o700, 0o644])
    func modes(_ mode: UInt32) async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/key"
            try write(Self.key, path, mode: mode)
            #expect(throws: KeyFault.self) { try read([path]) }
            try write(Self.key, path, mode: 0o400)
            #expect(try read([path]) == [Self.key])
        }
    }

    @Test("Credentials follow the files by name, and need no mode of their own")
    func credentials() async throws {
        try await withTemporaryDirectory { directory in
            let other = Self.key.map { $0 ^ 0xff }
            let third = Self.key.map { $0 &+ 3 }
            try write(Self.key, "\(directory)/first")
            try write(third, "\(directory)/session-key-2", mode: 0o440)
            try write(other, "\(directory)/session-key-1", mode: 0o440)
            try write([1], "\(directory)/something-else")
            #expect(try read(["\(directory)/first"], credentials: directory) == [Self.key, other, third])
            #expect(try read([], credentials: "\(directory)/nowhere").isEmpty)
        }
    }

    @Test("A missing file and a directory are refused, and the message names the path")
    func missing() async throws {
        try await withTemporaryDirectory { directory in
            for path in ["\(directory)/missing", directory] {
                let fault = #expect(throws: KeyFault.self) { try read([path]) }
                #expect(fault?.description.contains(path) == true)
            }
        }
    }

    @Test("The agent's own key is made once, for its owner alone")
    func development() async throws {
        try await withTemporaryDirectory { directory in
            let state = "\(directory)/state"
            let made = try KeyFiles.development(in: state).withByteView { $0.copy() }
            var status = stat()
            #expect(unsafe stat("\(state)/session-key", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(try KeyFiles.development(in: state).withByteView { $0.copy() } == made)
        }
    }
}
