import Linux

/// What a read of one entry whose value is not kept carries until its reply, in the 32 bits that a completion has.
///
/// The deadline is needed again only where the entry has a head and another step follows. It is kept in 20 bits, in
/// units of 2^24 ns, relative to the moment when it is read back: rounded up by 17 ms at most, and good for two hours.
struct ReadDetail {
    private static let unitShift: Int64 = 24
    private static let unitMask: Int64 = 0xf_ffff
    /// Deadlines farther away than two hours are taken for so far away.
    private static let farthest: Int64 = 7_200_000_000_000

    /// The bits: 20 for the deadline, 12 for the namespace.
    let rawValue: UInt32

    /// Takes back the bits that ``rawValue`` gave.
    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Packs the number of a namespace, 0 ..< 2^12, and a deadline, seen from `now`.
    init(namespace: UInt16, deadline: Instant, at now: Instant) {
        let nanoseconds = min(deadline.nanoseconds, now.nanoseconds &+ ReadDetail.farthest)
        let units = (nanoseconds >> ReadDetail.unitShift) &+ 1
        rawValue = UInt32(truncatingIfNeeded: units & ReadDetail.unitMask) << 12 | UInt32(namespace)
    }

    /// The number of the namespace.
    var namespace: UInt16 { UInt16(rawValue & 0xfff) }

    /// The deadline, seen from `now`.
    func deadline(at now: Instant) -> Instant {
        let present = now.nanoseconds >> ReadDetail.unitShift
        var left = (Int64(rawValue >> 12) &- present) & ReadDetail.unitMask
        // It lies just behind.
        if left > ReadDetail.unitMask / 2 { left = 0 }
        return Instant(nanoseconds: (present &+ left) << ReadDetail.unitShift)
    }
}
