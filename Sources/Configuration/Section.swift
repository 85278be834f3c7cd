/// A level of the configuration file: an object that holds options.
public struct Section: Sendable {
    /// Name with a dot between levels, such as `embedded.cache`.
    public let name: String
    /// What its options are about: one sentence.
    public let summary: String

    /// Every section, each behind the one that it lies in.
    public static let all = [
        Section(name: "socket", summary: "The socket on which clients are served."),
        Section(name: "policy", summary: "Who may call what."),
        Section(name: "audit", summary: "What is recorded of who did what."),
        Section(name: "log", summary: "What is written to the journal or to standard error."),
        Section(name: "telemetry", summary: "What the agent tells monitoring."),
        Section(name: "valkey", summary: "The Valkey servers that are used."),
        Section(name: "valkey.tls", summary: "TLS with servers whose URL is `valkeys://`."),
        Section(name: "embedded", summary: "The servers that the agent starts itself where no URL is given."),
        Section(name: "embedded.cache", summary: "The server of what may be forgotten."),
        Section(name: "embedded.state", summary: "The server of what must not be forgotten."),
        Section(name: "cache", summary: "Cache entries: their lives, and where they are kept."),
        Section(
            name: "namespaces",
            summary: "The same by namespace; a name has 1 to 64 letters a to z, digits, _, . or -."
        ),
        Section(name: "sessions", summary: "Keys and bounds of sessions."),
        Section(name: "channels", summary: "Bounds on channels."),
        Section(name: "topics", summary: "Bounds on topics."),
        Section(name: "limits", summary: "Bounds on what clients may ask and hold, and on what waits for Valkey."),
        Section(name: "shutdown", summary: "The end of the agent."),
    ]
}
