/// What a key may hold, as far as the one who alone writes it can know.
///
/// Writes are numbered from 1; 0 stands for a key that does not exist. Pure.
struct LoadRegister {
    /// What is known of a write.
    enum Outcome {
        /// It took effect.
        case applied
        /// It did not and will not.
        case notApplied
        /// Nobody knows.
        case unknown
    }

    private let durability: LoadPlan.Durability
    private(set) var last = 0
    private var possible: Set<Int> = [0]
    private var lingering: Set<Int> = []

    init(_ durability: LoadPlan.Durability) {
        self.durability = durability
    }

    /// The number of the next write.
    mutating func beginWrite() -> Int {
        last += 1
        return last
    }

    /// Takes note of what became of a write.
    ///
    /// - Parameters:
    ///   - version: Its number.
    ///   - outcome: What the reply said; `unknown` where there was none.
    ///   - isLate: Whether it took so long that it may have been sent twice, and the first copy may still be under way.
    mutating func wrote(_ version: Int, _ outcome: Outcome, isLate: Bool) {
        switch outcome {
        case .notApplied: return
        case .applied:
            possible = [version]
            if isLate { linger(version) }
        case .unknown:
            possible.insert(version)
            linger(version)
        }
    }

    /// Judges what a read found.
    ///
    /// - Returns: Whether it is possible.
    mutating func read(_ version: Int) -> Bool {
        if durability == .forgetful { return (0...last).contains(version) }
        guard possible.contains(version) || lingering.contains(version) else { return false }
        possible = [version]
        return true
    }

    private mutating func linger(_ version: Int) {
        if durability == .delayed { lingering.insert(version) }
    }
}

/// What a counter may hold, as far as the one who alone counts can know.
///
/// Pure.
struct LoadCounter {
    private let durability: LoadPlan.Durability
    /// The values that it may have.
    private(set) var possible = 0...0

    init(_ durability: LoadPlan.Durability) {
        self.durability = durability
    }

    /// Takes note of an increment by 1 that was answered with `value`.
    ///
    /// - Returns: Whether the value is possible.
    mutating func incremented(to value: Int) -> Bool {
        found(value, among: (possible.lowerBound + 1)...(possible.upperBound + 1))
    }

    /// Takes note of an increment by 1 of which nobody knows whether it took effect.
    mutating func incrementedPerhaps() {
        possible = possible.lowerBound...(possible.upperBound + 1)
    }

    /// Judges what a read found; 0 where there was no counter.
    ///
    /// - Returns: Whether it is possible.
    mutating func read(_ value: Int) -> Bool {
        found(value, among: possible)
    }

    private mutating func found(_ value: Int, among values: ClosedRange<Int>) -> Bool {
        switch durability {
        case .durable:
            guard values.contains(value) else { return false }
            possible = value...value
        case .delayed:
            guard values.contains(value) else { return false }
            // Increments that were sent to a server that stood still may yet arrive.
            possible = value...max(values.upperBound, value)
        case .forgetful:
            guard (0...values.upperBound).contains(value) else { return false }
            possible = 0...values.upperBound
        }
        return true
    }
}
