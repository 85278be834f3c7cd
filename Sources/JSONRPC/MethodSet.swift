/// A set of methods by their numbers, 0 ..< 256: asked once a call, so it is four words and a shift.
public struct MethodSet: Equatable, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// The empty set.
    public init() {}

    /// The methods 0 ..< `count`.
    public init(all count: Int) {
        for number in 0..<count { insert(number) }
    }

    /// Whether the method `number` is in the set.
    @inline(__always)
    public func contains(_ number: Int) -> Bool {
        let word =
            switch number >> 6 {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        return word & 1 << UInt64(number & 63) != 0
    }

    /// Puts the method `number` into the set.
    public mutating func insert(_ number: Int) {
        precondition((0..<256).contains(number), "a method's number is 0 ..< 256")
        let bit: UInt64 = 1 << UInt64(number & 63)
        switch number >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    /// The members of this set that are not in `other`.
    public func subtracting(_ other: MethodSet) -> MethodSet {
        var result = self
        result.words.0 &= ~other.words.0
        result.words.1 &= ~other.words.1
        result.words.2 &= ~other.words.2
        result.words.3 &= ~other.words.3
        return result
    }

    /// Compares the members.
    public static func == (left: MethodSet, right: MethodSet) -> Bool { left.words == right.words }
}
