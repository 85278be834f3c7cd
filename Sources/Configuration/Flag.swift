/// A flag of `squired`.
package enum Flag: String, CaseIterable, Sendable {
    /// Names the configuration file.
    case config = "--config"
    /// Sets `socket.path`.
    case socket = "--socket"
    /// Sets `state_directory`.
    case stateDirectory = "--state-dir"
    /// Sets `valkey.cache_url`.
    case valkey = "--valkey"
    /// Sets `valkey.state_url`.
    case state = "--state"
    /// Reads the configuration and stops there.
    case checkConfig = "--check-config"
    /// Prints the configuration in force.
    case printConfig = "--print-config"
    /// Prints the version.
    case version = "--version"
    /// Prints the usage.
    case help = "--help"
}
