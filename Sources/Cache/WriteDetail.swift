/// What a write of one entry carries until its reply, in the 32 bits that a completion has for it.
struct WriteDetail {
    /// The bits: one flag, 14 for the stripe, 12 for the namespace.
    let rawValue: UInt32

    /// Takes back the bits that ``rawValue`` gave.
    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Packs a stripe of ``NearCache``, 0 ..< 2^14, and the number of a namespace, 0 ..< 2^12.
    init(stripe: Int, namespace: UInt16, isRemembered: Bool) {
        rawValue = UInt32(namespace) << 15 | UInt32(stripe) << 1 | (isRemembered ? 1 : 0)
    }

    /// Whether the outcome is remembered under the request's name.
    var isRemembered: Bool { rawValue & 1 == 1 }

    /// The stripe of the entry's name.
    var stripe: Int { Int(rawValue >> 1 & 0x3fff) }

    /// The number of the namespace.
    var namespace: UInt16 { UInt16(rawValue >> 15 & 0xfff) }
}
