import CLinux
import Glibc

/// Where the agent's socket, its data and its configuration lie when nobody says otherwise: one rule for the agent and
/// for its clients.
///
/// Under systemd the unit's `RuntimeDirectory=`, `StateDirectory=` and `ConfigurationDirectory=` decide
/// (systemd.exec(5)), for root the system's directories, for everybody else the directories of the XDG base directory specification. Only absolute paths are
/// taken from the environment, as that specification demands.
public struct DefaultPaths: Equatable, Sendable {
    /// Path of the socket on which an agent of this user listens, and where its clients look first.
    public let socket: String
    /// Directory of what the agent keeps over restarts; nil where neither the user's home nor a state directory is set.
    public let stateDirectory: String?
    /// The agent's configuration file, which need not exist; nil where neither the user's home nor a place for it is set.
    public let configurationFile: String?
    /// Whether ``socket`` was named by `SQUIRE_SOCKET`, so that no other place is to be tried.
    public let isSocketNamed: Bool
    /// The user's id that the paths were made for.
    public let userID: UInt32

    /// The variables that tell where the agent listens.
    public static let socketVariables = ["SQUIRE_SOCKET", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"]
    /// All variables that are read.
    public static let variables =
        socketVariables + ["STATE_DIRECTORY", "CONFIGURATION_DIRECTORY", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME"]

    /// Path of the host's own agent, which serves every user that its policy allows.
    public static let systemSocket = "/run/squire/squire.sock"

    /// Finds the paths.
    ///
    /// - Parameters:
    ///   - environment: ``variables`` are read.
    ///   - userID: Whose program it is; 0 is root.
    public init(environment: ProcessEnvironment, userID: UInt32 = ProcessIdentity.userID) {
        self.userID = userID
        isSocketNamed = environment["SQUIRE_SOCKET"] != nil
        socket = environment["SQUIRE_SOCKET"] ?? Self.socket(environment, userID)
        stateDirectory = Self.stateDirectory(environment, userID)
        configurationFile = Self.configurationFile(environment, userID)
    }

    /// Where a client looks for an agent, best first: the user's own, then the host's.
    public var clientSockets: [String] {
        isSocketNamed || socket == Self.systemSocket ? [socket] : [socket, Self.systemSocket]
    }

    /// Whether another user could have put something at `path`, a place of ``clientSockets``, to be taken for an agent.
    ///
    /// Anybody may make a directory in `/tmp`. There a socket counts only where its directory is the user's own.
    public func isForeign(_ path: String) -> Bool {
        guard !isSocketNamed, path.hasPrefix("/tmp/"), let slash = path.lastIndex(of: "/") else { return false }
        var status = stat()
        guard unsafe lstat(String(path[..<slash]), &status) == 0 else { return false }
        return status.st_uid != userID || status.st_mode & S_IFMT != S_IFDIR
    }

    private static func socket(_ environment: ProcessEnvironment, _ userID: UInt32) -> String {
        // A client may itself be a service: then the variable speaks of that service's directory.
        if let directory = entries(environment["RUNTIME_DIRECTORY"]).first(where: { $0.hasSuffix("/squire") }) {
            return "\(directory)/squire.sock"
        }
        if userID == 0 {
            return systemSocket
        }
        if let directory = absolute(environment["XDG_RUNTIME_DIR"]) {
            return "\(directory)/squire/squire.sock"
        }
        return "/tmp/squire-\(userID)/squire.sock"
    }

    private static func stateDirectory(_ environment: ProcessEnvironment, _ userID: UInt32) -> String? {
        if let directory = entries(environment["STATE_DIRECTORY"]).first {
            return directory
        }
        if userID == 0 {
            return "/var/lib/squire"
        }
        if let directory = absolute(environment["XDG_STATE_HOME"]) {
            return "\(directory)/squire"
        }
        return absolute(environment["HOME"]).map { "\($0)/.local/state/squire" }
    }

    private static func configurationFile(_ environment: ProcessEnvironment, _ userID: UInt32) -> String? {
        if let directory = entries(environment["CONFIGURATION_DIRECTORY"]).first {
            return "\(directory)/squire.json"
        }
        // A unit of the system may run as any user; its runtime directory tells it from a unit of the user's own.
        if userID == 0 || entries(environment["RUNTIME_DIRECTORY"]).contains("/run/squire") {
            return "/etc/squire/squire.json"
        }
        if let directory = absolute(environment["XDG_CONFIG_HOME"]) {
            return "\(directory)/squire/squire.json"
        }
        return absolute(environment["HOME"]).map { "\($0)/.config/squire/squire.json" }
    }

    /// systemd separates several directories by colons.
    private static func entries(_ list: String?) -> [String] {
        (list ?? "").split(separator: ":").compactMap { absolute(String($0)) }
    }

    private static func absolute(_ path: String?) -> String? {
        guard var path, path.hasPrefix("/") else { return nil }
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
