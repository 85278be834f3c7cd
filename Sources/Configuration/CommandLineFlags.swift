/// The flags that a command line gives.
struct CommandLineFlags: Equatable, Sendable {
    /// The flags that take a value, with it; where one is given twice the last counts.
    var values: [Flag: String] = [:]
    /// The flags that take none.
    var switches: Set<Flag> = []
}
