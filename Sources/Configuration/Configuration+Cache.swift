extension Configuration {
    /// How cache entries behave.
    public struct Cache: Equatable, Sendable {
        /// What holds for entries of every namespace that does not say otherwise.
        public struct Behavior: Equatable, Sendable {
            /// Where entries are kept: `near+valkey`, `valkey` or `near`.
            public var tier = "near+valkey"
            /// What reads are while Valkey is away: `miss` or `error`.
            public var degraded = "miss"
            /// By how much lives may be shortened at random, in percent.
            public var jitterPercent = 0
            /// Size in bytes from which values are compressed; 0 for never.
            public var compressBytes = 0
            /// Whether values are encrypted.
            public var isEncrypted = false
        }

        /// What one namespace says otherwise; nil for what holds for all.
        public struct Overrides: Equatable, Sendable {
            /// Instead of ``Behavior/tier``.
            public var tier: String?
            /// Instead of ``Behavior/degraded``.
            public var degraded: String?
            /// How sensitive the namespace's data are, instead of `internal`.
            public var dataClass: String?
            /// Instead of ``Behavior/jitterPercent``.
            public var jitterPercent: Int?
            /// Instead of ``Behavior/compressBytes``.
            public var compressBytes: Int?
            /// Instead of ``Behavior/isEncrypted``.
            public var isEncrypted: Bool?
        }

        /// Memory for copies of entries, in bytes; 0 for none.
        public var nearBytes = 64 << 20
        /// Memory for entries that lie in the agent's memory alone, in bytes.
        public var localBytes = 64 << 20
        /// Keys that the sweep behind invalidated tags looks at in a second; 0 for no sweep.
        public var sweepKeysPerSecond = 1000
        /// What holds for every namespace that does not say otherwise.
        public var common = Behavior()
        /// What namespaces say otherwise.
        public var overrides: [String: Overrides] = [:]
        /// Life of an entry whose writer and namespace name none; nil for no end.
        public var life: Duration? = .seconds(300)
        /// Lives by namespace, instead of ``life``; nil for no end.
        public var namespaceLives: [String: Duration?] = [
            "response": .seconds(3600), "session": .seconds(86_400), "context": .seconds(1800),
            "metadata": .seconds(300),
        ]

        /// The life of entries in a namespace; nil for no end.
        public subscript(lifeIn namespace: String) -> Duration? {
            get { namespaceLives[namespace] ?? life }
            set { namespaceLives.updateValue(newValue, forKey: namespace) }
        }

        /// Where the entries of a namespace are kept.
        public subscript(tierIn namespace: String) -> String {
            get { overrides[namespace]?.tier ?? common.tier }
            set { overrides[namespace, default: Overrides()].tier = newValue }
        }

        /// What reads of a namespace are while Valkey is away.
        public subscript(degradedIn namespace: String) -> String {
            get { overrides[namespace]?.degraded ?? common.degraded }
            set { overrides[namespace, default: Overrides()].degraded = newValue }
        }

        /// How sensitive the data of a namespace are.
        public subscript(classIn namespace: String) -> String {
            get { overrides[namespace]?.dataClass ?? DataClass.internal.rawValue }
            set { overrides[namespace, default: Overrides()].dataClass = newValue }
        }

        /// The namespaces whose data are more sensitive than others.
        public var classes: [String: DataClass] {
            overrides.compactMapValues { own in own.dataClass.flatMap { DataClass(rawValue: $0) } }
        }

        /// By how much the lives of entries in a namespace may be shortened at random, in percent.
        public subscript(jitterIn namespace: String) -> Int {
            get { overrides[namespace]?.jitterPercent ?? common.jitterPercent }
            set { overrides[namespace, default: Overrides()].jitterPercent = newValue }
        }

        /// Size in bytes from which values in a namespace are compressed; 0 for never.
        public subscript(compressBytesIn namespace: String) -> Int {
            get { overrides[namespace]?.compressBytes ?? common.compressBytes }
            set { overrides[namespace, default: Overrides()].compressBytes = newValue }
        }

        /// Whether values in a namespace are encrypted.
        public subscript(isEncryptedIn namespace: String) -> Bool {
            get { overrides[namespace]?.isEncrypted ?? common.isEncrypted }
            set { overrides[namespace, default: Overrides()].isEncrypted = newValue }
        }

        /// The namespaces that are named.
        public var namespaces: Set<String> { Set(namespaceLives.keys).union(overrides.keys) }

        /// Last levels of the names of a namespace's options that it has of its own, its life left aside.
        func overridden(in namespace: String) -> Set<String> {
            guard let own = overrides[namespace] else { return [] }
            let given = [
                ("tier", own.tier != nil), ("degraded", own.degraded != nil), ("class", own.dataClass != nil),
                ("ttl_jitter_percent", own.jitterPercent != nil), ("compress_bytes", own.compressBytes != nil),
                ("encrypt", own.isEncrypted != nil),
            ]
            return Set(given.filter(\.1).map(\.0))
        }
    }
}
