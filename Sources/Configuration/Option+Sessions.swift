extension Option {
    /// Keys and bounds of sessions.
    static let sessions: [Option] = [
        Option(
            "sessions.key_files",
            \.sessions.keyFiles,
            .paths(max: 16),
            "Files of the keys that seal sessions, of mode 0600 or stricter: 32 bytes each, as they are, in hexadecimal or "
                + "in Base64. The first seals, all of them open. Credentials of systemd whose names begin with "
                + "`session-key` follow by name. Without any, the agent makes a key for itself in the state directory."
        ),
        Option(
            "sessions.per_subject_max",
            \.sessions.perSubjectMax,
            .count(1...1000),
            "Most sessions of one subject in one namespace."
        ),
        Option(
            "sessions.per_subject_policy",
            \.sessions.perSubjectPolicy,
            .choice(["evict_oldest", "reject"]),
            "What happens to one session more: the oldest ends, or the new one is refused."
        ),
        Option(
            "sessions.data_bytes_max",
            \.sessions.dataBytesMax,
            .count(256...64 << 20),
            "Longest text of what a session holds."
        ),
    ]
}
