/// How many commands may be sent again: a tenth of those that were sent for the first time.
///
/// Pure. Retries help where little fails and hurt where much does; the budget makes the difference. Each first attempt
/// earns a share of a retry, up to a bound; each retry costs one (Google's SRE book, chapter 21, names the tenth).
public struct RetryBudget: Sendable {
    private let earnedPerAttempt: Double
    private let most: Double
    private var balance: Double

    /// Begins with a full budget.
    ///
    /// - Parameters:
    ///   - share: Retries for each first attempt, above 0 and at most 1.
    ///   - most: Largest number of retries that can be saved up.
    public init(share: Double = 0.1, most: Double = 1000) {
        earnedPerAttempt = share
        self.most = most
        balance = most
    }

    /// Takes note of first attempts.
    public mutating func earn(_ attempts: Int) {
        balance = min(balance + Double(attempts) * earnedPerAttempt, most)
    }

    /// Takes a retry out of the budget.
    ///
    /// - Returns: Whether there was one.
    public mutating func spend() -> Bool {
        guard balance >= 1 else { return false }
        balance -= 1
        return true
    }
}
