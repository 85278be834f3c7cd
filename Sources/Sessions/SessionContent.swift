import Bytes

/// What an envelope of a session holds: four bytes with the length of the subject, the most significant first and all
/// ones where there is none, the subject, and the data as one line of JSON.
struct SessionContent {
    private static let noSubject = UInt32.max

    /// Whose session it is.
    let subject: ByteView?
    /// An object.
    let data: ByteView

    /// Reads a plaintext, lent while the value is used; nil where it is none, which only a fault of this program makes.
    init?(_ text: ByteView) {
        guard text.count >= 4 else { return nil }
        var length: UInt32 = 0
        for index in 0..<4 { length = length << 8 | UInt32(text[index]) }
        let rest = text.dropFirst(4)
        guard length != SessionContent.noSubject else {
            subject = nil
            data = rest
            return
        }
        guard Int(length) <= rest.count else { return nil }
        subject = rest.prefix(Int(length))
        data = rest.dropFirst(Int(length))
    }

    /// Appends a plaintext.
    static func append(subject: [UInt8]?, data: ByteView, to buffer: inout ByteBuffer) {
        let length = subject.map { UInt32($0.count) } ?? noSubject
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            buffer.append(UInt8(truncatingIfNeeded: length >> shift))
        }
        if let subject { buffer.append(subject) }
        buffer.append(data)
    }
}
