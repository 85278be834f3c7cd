/// What a write of one entry carries until its reply, in the 32 bits that a completion has for it.
struct WriteDetail {
    /// The bits: one flag, 15 for the near cache's write, 12 for the namespace.
    let rawValue: UInt32

    /// Takes back the bits that ``rawValue`` gave.
    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Packs a write as ``NearCache`` knows it and the number of a namespace, 0 ..< 2^12.
    init(write: NearWrite, namespace: UInt16, isRemembered: Bool) {
        rawValue = UInt32(namespace) << 16 | UInt32(write.rawValue) << 1 | (isRemembered ? 1 : 0)
    }

    /// Whether the outcome is remembered under the request's name.
    var isRemembered: Bool { rawValue & 1 == 1 }

    /// The write as the near cache knows it.
    var write: NearWrite { NearWrite(rawValue: UInt16(rawValue >> 1 & 0x7fff)) }

    /// The number of the namespace.
    var namespace: UInt16 { UInt16(rawValue >> 16 & 0xfff) }
}
