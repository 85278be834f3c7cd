import Bytes
import Crypto
import TestSupport
import Testing

@testable import Audit

@Suite("An audit chain")
struct AuditChainTests {
    static let key = [UInt8]((0..<32).map { $0 &* 7 &+ 1 })

    private static func secret(_ key: [UInt8]) -> SecretBytes { key.withByteView { SecretBytes(copying: $0) } }

    /// Lines of a chain, with the head after each.
    static func lines(_ count: Int) -> (lines: [String], heads: [String]) {
        var chain = AuditChain(key: secret(key))
        var lines: [String] = []
        var heads: [String] = []
        for index in 1...count {
            var buffer = ByteBuffer()
            "\"event\":\"call\",\"uid\":\(index)".withByteView { chain.seal($0, to: &buffer) }
            lines.append(String(buffer.view.text().dropLast()))
            heads.append("\(index):\(chain.head)")
        }
        return (lines, heads)
    }

    /// What a verifier objects to in lines, nil where it finds nothing.
    static func fault(
        in lines: [String],
        key: [UInt8] = AuditChainTests.key,
        heads: [String] = []
    ) -> AuditVerifier.Fault? {
        var verifier = AuditVerifier(key: secret(key), heads: heads.compactMap { AuditVerifier.Head($0) })
        do throws(AuditVerifier.Fault) {
            for line in lines {
                try line.withByteView { (view) throws(AuditVerifier.Fault) in try verifier.take(view) }
            }
            try verifier.finish()
            return nil
        } catch {
            return error
        }
    }

    @Test("is verified from its beginning, and from the middle on, as a file that was rotated begins")
    func valid() {
        let (lines, heads) = Self.lines(50)
        #expect(Self.fault(in: lines) == nil)
        #expect(Self.fault(in: lines, heads: heads) == nil)
        for start in [1, 2, 17, 49] { #expect(Self.fault(in: Array(lines[start...]), heads: heads) == nil, "\(start)") }
        #expect(Self.fault(in: []) == nil)
    }

    @Test("shows every byte that was changed, by the line")
    func edited() {
        let (lines, _) = Self.lines(3)
        for (number, line) in lines.enumerated() {
            let bytes = Array(line.utf8)
            for index in bytes.indices {
                var changed = bytes
                changed[index] ^= 1
                var all = lines
                all[number] = String(decoding: changed, as: UTF8.self)
                let fault = Self.fault(in: all)
                #expect(fault?.line == number + 1, "byte \(index) of line \(number + 1): \(all[number])")
            }
        }
    }

    @Test("shows lines that were taken out, repeated, exchanged or put in")
    func reordered() {
        let (lines, _) = Self.lines(6)
        for index in 1..<5 {
            var missing = lines
            missing.remove(at: index)
            #expect(Self.fault(in: missing)?.line == index + 1)
            var repeated = lines
            repeated.insert(lines[index], at: index)
            #expect(Self.fault(in: repeated)?.line == index + 2)
            var exchanged = lines
            exchanged.swapAt(index, index + 1)
            #expect(Self.fault(in: exchanged)?.line == index + 1)
            var foreign = lines
            foreign.insert("{}", at: index)
            #expect(Self.fault(in: foreign)?.line == index + 1)
        }
    }

    @Test("shows an end that is missing, and a beginning made anew, by a head that was told")
    func truncated() {
        let (lines, heads) = Self.lines(6)
        #expect(Self.fault(in: Array(lines.prefix(4)), heads: [heads[5]])?.line == nil)
        #expect(Self.fault(in: Array(lines.prefix(4)), heads: [heads[5]])?.reason.contains("before line 6") == true)
        #expect(Self.fault(in: Array(lines.prefix(4)), heads: [heads[3]]) == nil)
        let other = "3:" + heads[4].dropFirst(2)
        #expect(Self.fault(in: lines, heads: [other])?.line == 3)
    }

    @Test("cannot be forged by who learns a later key")
    func forwardIntegrity() throws {
        let (lines, _) = Self.lines(3)
        var later = AuditChain(key: Self.secret(Self.key))
        var unused = ByteBuffer()
        for _ in 0..<3 { "\"a\":1".withByteView { later.seal($0, to: &unused) } }
        // The key of line 4 as the key of line 1: what somebody has who reads the state.
        #expect(Self.fault(in: lines, key: later.key.withByteView { $0.copy() })?.line == 1)
        var forged = AuditChain(next: 2, key: later.key, previous: try #require(AuditLine.parse(lines[1])).previous)
        var buffer = ByteBuffer()
        "\"event\":\"forged\"".withByteView { forged.seal($0, to: &buffer) }
        let line = String(buffer.view.text().dropLast())
        #expect(Self.fault(in: [lines[0], line, lines[2]])?.line == 2)
    }

    @Test("overwrites each key with the next one where it stands, and no other chain's")
    func overwritten() {
        let given = Self.secret(Self.key)
        var chain = AuditChain(key: given)
        let copy = chain
        chain.advance([1])
        #expect(given.withByteView { $0.copy() } == Self.key && copy.key.withByteView { $0.copy() } == Self.key)
        let place = ObjectIdentifier(chain.key)
        let second = chain.key.withByteView { $0.copy() }
        chain.advance([2])
        #expect(ObjectIdentifier(chain.key) == place)
        #expect(second != Self.key && chain.key.withByteView { $0.copy() } != second)
    }

    @Test("refuses lines that no agent wrote")
    func malformed() {
        let zeros = String(repeating: "0", count: 64)
        for line in [
            "", "{}", "null", #"{"seq":1}"#, #"{"seq":0,"a":1,"prev":"\#(zeros)","mac":"\#(zeros)"}"#,
            #"{"seq":x,"a":1,"prev":"\#(zeros)","mac":"\#(zeros)"}"#,
            #"{"seq":1,"a":1,"prev":"\#(zeros)","mac":"\#(zeros)"} "#,
            #"{"seq":99999999999999999999,"a":1,"prev":"\#(zeros)","mac":"\#(zeros)"}"#,
            #"{"seq":18446744073709551615,"a":1,"prev":"\#(zeros)","mac":"\#(zeros)"}"#,
        ] {
            #expect(Self.fault(in: [line])?.line == 1, "\(line)")
        }
    }
}

extension AuditLine {
    /// What a line is made of.
    fileprivate static func parse(_ text: String) -> (sequence: UInt64, previous: [UInt8])? {
        text.withByteView { view in AuditLine(view).map { ($0.sequence, $0.previous) } }
    }
}
