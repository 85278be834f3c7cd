import JSONRPC
import Linux

extension Option {
    /// Every option, in the order of the reference and of the example.
    public static let all: [Option] =
        listening + host + policy + audit + stores + access + embedded + entries + sessions + messages
        + connectionLimits + agentLimits + [
            Option(
                "shutdown.grace_ms",
                \.shutdown.grace,
                .milliseconds(0...600_000),
                "How long running calls may take to end when the agent is stopped."
            )
        ]

    private static let host: [Option] = [
        Option(
            "state_directory",
            \.stateDirectory,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            flag: .stateDirectory,
            defaultRule: "the unit's `$STATE_DIRECTORY`, else `/var/lib/squire` as root, else `squire` in "
                + "`$XDG_STATE_HOME`, else `~/.local/state/squire`",
            "Directory of what is kept over restarts, the data of the embedded servers included."
        ),
        Option(
            "core_files",
            \.writesCoreFiles,
            .boolean,
            "Whether a crash may leave a core file. It holds what clients were just sent, tokens of sessions included; "
                + "without it other processes of the agent's user cannot read its memory either."
        ),
        Option("log.level", \.log.level, .level, "Least grave level that is written."),
        Option(
            "log.format",
            \.log.format,
            .format,
            "Lines for people, one JSON object a line for programs, or the journal's own form. `auto` is the journal where "
                + "standard error leads there, else lines."
        ),
        Option(
            "log.slow_ms",
            \.log.slow,
            .milliseconds(0...3_600_000),
            "A call that takes as long is logged as a warning with its method, duration, user and trace, at most ten a "
                + "second; 0 for none. What a call was asked to wait counts."
        ),
        Option(
            "telemetry.listen",
            \.telemetry.listen,
            OptionKind.telemetryAddress.optional,
            defaultRule: "nowhere",
            "Where `/metrics`, `/healthz` and `/readyz` are served over HTTP: a port of this host alone, which every user "
                + "of the host can read, or a Unix socket with the permissions of `socket.mode`."
        ),
    ]

    private static let stores: [Option] = [
        Option(
            "valkey.cache_url",
            \.valkey.cacheURL,
            OptionKind.url.optional,
            flag: .valkey,
            defaultRule: "the store of `valkey.state_url`, and without that an embedded server",
            "The cache store: what may be forgotten."
        ),
        Option(
            "valkey.state_url",
            \.valkey.stateURL,
            OptionKind.url.optional,
            flag: .state,
            defaultRule: "the store of `valkey.cache_url`, and without that an embedded server",
            "The state store: sessions, locks, topics and all that must not be evicted."
        ),
        Option("valkey.prefix", \.valkey.prefix, .text(bytesMax: 256), "What every key in Valkey begins with."),
        Option("valkey.connections", \.valkey.connections, .count(1...16), "Data connections to each store."),
        Option(
            "valkey.connect_timeout_ms",
            \.valkey.connectTimeout,
            .milliseconds(10...60_000),
            "Longest time from the beginning of a connection attempt to the server's first answer, and from each answer "
                + "to its greeting to the next."
        ),
        Option(
            "valkey.accept_eviction",
            \.valkey.acceptsEviction,
            .boolean,
            "Whether what must not be lost, such as locks and topics, may lie in a state store whose "
                + "`maxmemory-policy` is not `noeviction`; else calls that need it are refused with `unsafe_store`."
        ),
    ]

    private static let embedded: [Option] = [
        Option(
            "embedded.executable",
            \.embedded.executable,
            OptionKind.program.optional,
            defaultRule: "`valkey-server` where it is installed, else `redis-server`",
            "The program of the embedded servers."
        ),
        Option(
            "embedded.cache.maxmemory",
            \.embedded.cacheMaxMemory,
            .memorySize,
            variables: [Variable("VALKEY_MAXMEMORY")],
            "Size at which the embedded cache store begins to forget. As Valkey reads it: `m` is a million bytes, `mb` "
                + "1048576."
        ),
        Option(
            "embedded.cache.maxmemory_policy",
            \.embedded.cacheMaxMemoryPolicy,
            .choice([
                "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random",
                "volatile-ttl", "noeviction",
            ]),
            variables: [Variable("VALKEY_MAXMEMORY_POLICY")],
            "What the embedded cache store forgets first."
        ),
        Option(
            "embedded.state.appendfsync",
            \.embedded.stateAppendFsync,
            .choice(["everysec", "always"]),
            "When the embedded state store's log reaches the disk: once a second, or before each reply."
        ),
    ]
}
