public import Linux

extension Configuration {
    /// Reads a command line and the configuration that it leads to: file, environment and flags, later beats earlier.
    ///
    /// - Parameters:
    ///   - arguments: The words behind the program's name.
    ///   - environment: The variables that are read.
    ///   - userID: Whose agent it is, which decides the default paths; 0 is root.
    /// - Returns: What is asked for.
    /// - Throws: ``ConfigurationError/usage(_:)`` where the command line makes no sense,
    ///   ``ConfigurationError/faults(_:)`` with every fault of the configuration.
    public static func load(
        arguments: [String],
        environment: ProcessEnvironment = .current,
        userID: UInt32 = ProcessIdentity.userID
    ) throws(ConfigurationError) -> Invocation {
        let sources = Sources(flags: try CommandLineFlags(arguments), environment: environment, userID: userID)
        if sources.flags.switches.contains(.help) { return .showHelp(Flag.helpText) }
        if sources.flags.switches.contains(.version) { return .showVersion }
        let configuration = try Configuration(reading: sources)
        if sources.flags.switches.contains(.printConfig) { return .printConfig(configuration.printedText) }
        return sources.flags.switches.contains(.checkConfig) ? .checkConfig(configuration) : .run(configuration)
    }

    /// Reads the same file and flags again.
    ///
    /// - Returns: The configuration that they say now; this one stays as it is.
    /// - Throws: ``ConfigurationError/faults(_:)`` with every fault.
    public func reloaded() throws(ConfigurationError) -> Configuration {
        try Configuration(reading: sources)
    }
}
