import Configuration
import Crypto
import Linux
import Observability
import Sealing
import Sessions

/// The keys of sessions, as an agent finds them at its start and at a reload.
struct SessionKeys {
    /// At least one, the primary one first.
    let secrets: [SecretBytes]
    /// Whether the agent made the key for itself.
    let isDevelopment: Bool

    /// Finds the keys: those of the configuration, then systemd's credentials, else the agent's own.
    ///
    /// - Throws: `KeyFault` for the first file that is no key.
    init(_ configuration: Configuration, environment: ProcessEnvironment = .current) throws(KeyFault) {
        let given = try KeyFiles.read(
            configuration.sessions.keyFiles,
            credentials: environment["CREDENTIALS_DIRECTORY"]
        )
        guard given.isEmpty else {
            secrets = given
            isDevelopment = false
            return
        }
        isDevelopment = true
        if let directory = configuration.stateDirectory {
            secrets = [try KeyFiles.development(in: directory)]
        } else {
            secrets = [RandomBytes.secret(MasterKey.byteCount)]
        }
    }

    /// Tells the operator what holds.
    func report(to log: Log, _ configuration: Configuration) {
        if isDevelopment {
            let place = configuration.stateDirectory.map { "\($0)/\(KeyFiles.developmentName)" } ?? "memory only"
            log.warning(
                "sessions are sealed under a key that this agent made for itself; set sessions.key_files",
                ["key": place]
            )
        }
        if secrets.contains(where: { !$0.isLocked }) {
            log.warning("keys cannot be kept out of swap: the process may not lock memory (RLIMIT_MEMLOCK)")
        }
    }
}

extension SessionSettings {
    /// The settings that a configuration describes.
    ///
    /// - Parameters:
    ///   - configuration: What holds for sessions.
    ///   - classes: How sensitive the data of namespaces are.
    init(_ configuration: Configuration.Sessions, classes: [String: DataClass]) {
        self.init()
        for (name, dataClass) in classes {
            lifetimeMax[Array(name.utf8)] = dataClass.lifeMax?.wholeMilliseconds
        }
        perSubjectMax = configuration.perSubjectMax
        policy = LimitPolicy(rawValue: configuration.perSubjectPolicy) ?? .evictOldest
        dataBytesMax = configuration.dataBytesMax
    }
}
