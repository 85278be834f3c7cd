import Linux

/// The long forms of tests, which `scripts/soak` enables.
///
/// A soak is a suite in a file of its own name, which ends in `Soak`: `@Suite(.enabled(if: Soak.isEnabled))`.
public enum Soak {
    /// Whether soaks run (`SQUIRE_SOAK=1`).
    public static var isEnabled: Bool { Environment["SQUIRE_SOAK"] == "1" }

    /// How long a phase of a soak lasts: `SQUIRE_SOAK_SECONDS`, or `standard` where that is unset or no number.
    public static func duration(_ standard: Duration) -> Duration {
        Environment["SQUIRE_SOAK_SECONDS"].flatMap { Int($0) }.map { .seconds($0) } ?? standard
    }
}
