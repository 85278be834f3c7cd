/// When an agent that runs takes up another value of an option.
public enum Adoption: Sendable {
    /// On SIGHUP.
    case reload
    /// On SIGHUP, unless the URL of a store is another one too: as whom the agent speaks to a server, and what proves who
    /// that server is, belong to the server, and wait for the restart with it.
    case reloadOfSameServer
    /// When it is started again.
    case restart
}

extension Option {
    /// When another value is taken up.
    public var adoption: Adoption { Option.adoption(of: name) }

    /// When another value of an option is taken up: what a reload goes by, and what the reference says.
    ///
    /// - Parameter name: The option's name, which may be that of a namespace that is configured no more.
    /// - Returns: When it is; ``Adoption/restart`` for what no option is called.
    public static func adoption(of name: String) -> Adoption {
        let section = name.prefix { $0 != "." }
        switch section {
        case "log", "policy", "namespaces", "sessions", "channels", "topics":
            return .reload
        case "cache":
            // The tables of copies and of local entries are made at the start.
            return ["cache.near_bytes", "cache.local_bytes"].contains(name) ? .restart : .reload
        case "audit":
            return ["audit.classes", "audit.when_full"].contains(name) ? .reload : .restart
        case "limits":
            return ["limits.deadline_ms", "limits.sweep_deadline_ms"].contains(name) ? .reload : .restart
        case "valkey":
            if name == "valkey.accept_eviction" { return .reload }
            let isAccess =
                name.hasPrefix("valkey.tls.") || ["valkey.user", "valkey.password_file"].contains(name)
            return isAccess ? .reloadOfSameServer : .restart
        default:
            return .restart
        }
    }
}
