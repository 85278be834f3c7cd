/// What a command line of `squired` asks for.
public enum Invocation: Sendable {
    /// To serve.
    case run(Configuration)
    /// To say whether the configuration is without fault, as this one is.
    case checkConfig(Configuration)
    /// To print this text, the configuration in force.
    case printConfig(String)
    /// To print the version.
    case showVersion
    /// To print this text, the usage.
    case showHelp(String)
}
