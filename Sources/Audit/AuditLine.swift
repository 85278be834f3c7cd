import Bytes

/// A line of an audit file, cut into what the chain is made of.
struct AuditLine {
    /// Its number.
    let sequence: UInt64
    /// What its code is made over: everything before `,"mac"`.
    let signed: ByteView
    /// The code of the line before, as the line has it.
    let previous: [UInt8]
    /// Its own code.
    let code: [UInt8]

    private static let digits = 2 * AuditChain.codeBytes
    private static let head: StaticString = "{\"seq\":"
    private static let previousMark: StaticString = ",\"prev\":\""
    private static let codeMark: StaticString = ",\"mac\":\""

    /// Cuts a line without its line break; nil where it is none of the chain.
    init?(_ line: ByteView) {
        let marks = AuditLine.previousMark.utf8CodeUnitCount + AuditLine.codeMark.utf8CodeUnitCount
        // …,"prev":"<64>","mac":"<64>"}
        let tail = marks + 2 * AuditLine.digits + 3
        guard line.count > tail + AuditLine.head.utf8CodeUnitCount, line.hasPrefix(AuditLine.head) else { return nil }
        let number = line.dropFirst(AuditLine.head.utf8CodeUnitCount)
        guard let comma = number.firstIndex(of: UInt8(ascii: ",")), comma <= 20,
            let sequence = UInt64(number.prefix(comma).text()), sequence > 0
        else { return nil }
        let previousStart = line.count - tail
        let rest = line.dropFirst(previousStart)
        guard rest.hasPrefix(AuditLine.previousMark) else { return nil }
        let previousText = rest.dropFirst(AuditLine.previousMark.utf8CodeUnitCount)
        let codeStart = previousStart + AuditLine.previousMark.utf8CodeUnitCount + AuditLine.digits + 1
        let codeRest = line.dropFirst(codeStart)
        guard line[codeStart - 1] == UInt8(ascii: "\""), codeRest.hasPrefix(AuditLine.codeMark),
            line.dropFirst(line.count - 2).equals("\"}")
        else { return nil }
        let codeText = codeRest.dropFirst(AuditLine.codeMark.utf8CodeUnitCount)
        guard let previous = Hexadecimal.bytes(of: previousText.prefix(AuditLine.digits)),
            let code = Hexadecimal.bytes(of: codeText.prefix(AuditLine.digits))
        else { return nil }
        self.sequence = sequence
        signed = line.prefix(codeStart)
        self.previous = previous
        self.code = code
    }
}
