extension Option {
    /// Where entries may be kept.
    static let tiers = ["near+valkey", "valkey", "near"]
    /// What reads may be while Valkey is away.
    static let degradedModes = ["miss", "error"]

    /// The lives of entries, and where and how they are kept.
    static let entries: [Option] =
        [
            Option(
                "cache.near_bytes",
                \.cache.nearBytes,
                .count(0...64 << 30),
                "Memory for copies of entries that are read, which are kept in step with Valkey; 0 for none. It is taken "
                    + "as it is needed."
            ),
            Option(
                "cache.tier",
                \.cache.common.tier,
                .choice(tiers),
                "Where entries are kept: in Valkey and, those that are read, in the agent's memory too; in Valkey alone; or in "
                    + "the agent's memory alone, for data of one host that a restart may forget. Hashes are in Valkey."
            ),
            Option(
                "cache.local_bytes",
                \.cache.localBytes,
                .count(1 << 20...64 << 30),
                "Memory for entries of the tier `near`. It is taken as it is needed; one entry may take a sixteenth."
            ),
            Option(
                "cache.degraded",
                \.cache.common.degraded,
                .choice(degradedModes),
                "What a read is while Valkey is away: a miss that says so, or the error `unavailable`."
            ),
            Option(
                "cache.sweep_keys_per_second",
                \.cache.sweepKeysPerSecond,
                .count(0...1_000_000),
                "Keys that are looked at in a second after tags were invalidated, to remove what has them; 0 for leaving it "
                    + "to the entries' lives and to eviction."
            ),
            Option(
                "cache.ttl_jitter_percent",
                \.cache.common.jitterPercent,
                .count(0...50),
                "By how much lives are shortened at random, at most, so that what was written together does not end together."
            ),
            Option(
                "cache.compress_bytes",
                \.cache.common.compressBytes,
                .count(0...64 << 20),
                "Size from which values are compressed (Zstandard) before they are sent to Valkey; 0 for never."
            ),
            Option(
                "cache.encrypt",
                \.cache.common.isEncrypted,
                .boolean,
                "Whether values are encrypted in Valkey, under the keys of `sessions.key_files`. Names of keys and tags are "
                    + "not. What is not encrypted is then not read, and counters with `cache.increment` and hashes are refused."
            ),
            Option(
                "cache.ttl_ms",
                \.cache.life,
                .life,
                variables: [.seconds("CACHE_TTL_DEFAULT")],
                "Life of a cache entry whose writer names none, in namespaces that have no life of their own."
            ),
        ]
        + ["response", "session", "context", "metadata"].map { name in
            Option.life(ofNamespace: name, variables: [.seconds("CACHE_TTL_" + name.uppercased())])
        }

    /// The options of a namespace, its life first.
    public static func all(ofNamespace name: String) -> [Option] {
        [
            life(ofNamespace: name, defaultRule: common("ttl_ms")),
            Option(
                "namespaces.\(name).tier",
                \.cache[tierIn: name],
                .choice(tiers),
                defaultRule: common("tier"),
                "Where cache entries in the namespace `\(name)` are kept."
            ),
            Option(
                "namespaces.\(name).degraded",
                \.cache[degradedIn: name],
                .choice(degradedModes),
                defaultRule: common("degraded"),
                "What a read in the namespace `\(name)` is while Valkey is away."
            ),
            Option(
                "namespaces.\(name).class",
                \.cache[classIn: name],
                .choice(DataClass.allCases.map(\.rawValue)),
                "How sensitive data in the namespace `\(name)` are, sessions included. `confidential`: nothing is stored "
                    + "in plain text, so cache entries are encrypted as sessions are, under a configured key, and "
                    + "counters and hashes are refused; nothing lives longer than 30 days; changes are recorded. "
                    + "`restricted`: also no copy in the agent's memory, one day, and reads are recorded too."
            ),
            Option(
                "namespaces.\(name).ttl_jitter_percent",
                \.cache[jitterIn: name],
                .count(0...50),
                defaultRule: common("ttl_jitter_percent"),
                "By how much lives in the namespace `\(name)` are shortened at random, at most."
            ),
            Option(
                "namespaces.\(name).compress_bytes",
                \.cache[compressBytesIn: name],
                .count(0...64 << 20),
                defaultRule: common("compress_bytes"),
                "Size from which values in the namespace `\(name)` are compressed; 0 for never."
            ),
            Option(
                "namespaces.\(name).encrypt",
                \.cache[isEncryptedIn: name],
                .boolean,
                defaultRule: common("encrypt"),
                "Whether values in the namespace `\(name)` are encrypted in Valkey."
            ),
        ]
    }

    /// The default of what a namespace may have of its own, in words.
    private static func common(_ level: String) -> String {
        "that of `cache.\(level)`"
    }

    /// The life of entries in a namespace; `null` is one without an end.
    static func life(ofNamespace name: String, variables: [Variable] = [], defaultRule: String? = nil) -> Option {
        Option(
            "namespaces.\(name).ttl_ms",
            \.cache[lifeIn: name],
            .life,
            variables: variables,
            defaultRule: defaultRule,
            isNullAbsent: false,
            "Life of a cache entry in the namespace `\(name)` whose writer names none."
        )
    }
}
