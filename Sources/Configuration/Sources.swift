import Linux

/// What a configuration is read from.
struct Sources: Sendable {
    /// The flags of the command line.
    var flags: CommandLineFlags
    /// The environment.
    var environment: ProcessEnvironment
    /// Whose agent it is; 0 is root.
    var userID: UInt32
}
