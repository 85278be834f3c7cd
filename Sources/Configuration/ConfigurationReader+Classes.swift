import Linux

extension ConfigurationReader {
    /// Most namespaces with settings of their own, for which the cache keeps places.
    static let namespacesMax = 1000

    /// Finds what contradicts the classes of namespaces, encrypts what must be, and keeps copies of restricted data out
    /// of memory.
    mutating func checkClasses() {
        if configuration.cache.namespaces.count > ConfigurationReader.namespacesMax {
            contradict("namespaces must name at most \(ConfigurationReader.namespacesMax)")
        }
        for (namespace, dataClass) in configuration.cache.classes.sorted(by: { $0.key < $1.key }) {
            let level = "namespaces.\(namespace)"
            let because = "\(level).class is \(dataClass.rawValue)"
            if !dataClass.mayBeNear {
                if let own = configuration.cache.overrides[namespace]?.tier, own != "valkey" {
                    contradict("\(level).tier must be \"valkey\": \(because)")
                }
                configuration.cache[tierIn: namespace] = "valkey"
            }
            if let limit = dataClass.lifeMax, (configuration.cache[lifeIn: namespace] ?? .seconds(Int64.max)) > limit {
                contradict("\(level).ttl_ms must be at most \(limit.milliseconds): \(because)")
            }
            if dataClass.isEncryptedAtRest {
                if configuration.cache.overrides[namespace]?.isEncrypted == false {
                    contradict("\(level).encrypt must be true: \(because)")
                }
                configuration.cache[isEncryptedIn: namespace] = true
            }
            if dataClass.isEncryptedAtRest, configuration.sessions.keyFiles.isEmpty,
                configuration.sources.environment["CREDENTIALS_DIRECTORY"] == nil
            {
                contradict("sessions.key_files must be given, or a credential session-key: \(because)")
            }
            if dataClass.recordsChanges, configuration.audit.file == nil {
                contradict("audit.file must be given, for calls that must be recorded: \(because)")
            }
        }
    }

    private mutating func contradict(_ reason: String) {
        faults.append(ConfigurationFault(reason))
    }
}
