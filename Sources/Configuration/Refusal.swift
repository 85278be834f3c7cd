/// Why a value is not what an option takes.
struct Refusal: Error {
    /// What is wrong, where more can be said than what the option may be.
    let reason: String?

    /// Refuses a value that is not of the kind that the option takes.
    init() {
        reason = nil
    }

    /// Refuses a value for a reason of its own, in words that never repeat a secret.
    init(_ reason: String) {
        self.reason = reason
    }
}
