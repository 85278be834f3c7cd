public import JSON

extension Configuration {
    /// An option with what holds for it.
    public struct Value: Equatable, Sendable {
        /// The option's name, with a dot between levels.
        public let name: String
        /// Its value; secret parts are replaced by `***`.
        public let value: Document
        /// Where the value comes from.
        public let origin: Origin
    }

    /// Every option with its value, in the order of the reference: what `agent.config` answers.
    public var values: [Value] {
        options.map { Value(name: $0.name, value: $0.value(in: self), origin: origins[$0.name] ?? .default) }
    }

    /// The table of options, and those of the namespaces that only this configuration names.
    private var options: [Option] {
        let known = Set(Option.all.map(\.name))
        // What holds in a namespace as in all others is shown once.
        let others = cache.namespaces.sorted().flatMap { name in
            let own = cache.overridden(in: name)
            return Option.all(ofNamespace: name).filter { option in
                let level = option.name.split(separator: ".").last.map(String.init) ?? ""
                return level == "ttl_ms" || own.contains(level)
            }
        }
        .filter { !known.contains($0.name) }
        guard let last = Option.all.lastIndex(where: { $0.name.hasPrefix("namespaces.") }) else { return Option.all }
        return Option.all[...last] + others + Option.all[(last + 1)...]
    }

    /// Names of the options that hold something else than in `other`, wherever it comes from.
    ///
    /// A password that was changed counts, though no value shows it.
    public func changes(since other: Configuration) -> [String] {
        var before: [String: Document] = [:]
        for value in other.values { before[value.name] = value.value }
        var names = values.filter { before.removeValue(forKey: $0.name) != $0.value }.map(\.name)
        // What is left are namespaces that are configured no more.
        names += before.keys.sorted()
        if valkey.cacheURL != other.valkey.cacheURL { names.appendOnce("valkey.cache_url") }
        if valkey.stateURL != other.valkey.stateURL { names.appendOnce("valkey.state_url") }
        if valkey.password != other.valkey.password { names.appendOnce("valkey.password_file") }
        return names
    }

    /// Every option with its value as JSON and where that comes from, in columns: what `--print-config` prints.
    public var printedText: String {
        let rows = values.map { ($0.name, $0.value.text(style: .compact), $0.origin.rawValue) }
        let nameWidth = rows.map(\.0.count).max() ?? 0
        let originWidth = rows.map(\.2.count).max() ?? 0
        var text = file.map { "# file: \($0)\n" } ?? "# no file\n"
        for (name, value, origin) in rows {
            text += name.padded(to: nameWidth) + "  " + origin.padded(to: originWidth) + "  " + value + "\n"
        }
        return text
    }
}

extension [String] {
    /// Adds a name unless it is there.
    fileprivate mutating func appendOnce(_ name: String) {
        if !contains(name) { append(name) }
    }
}

extension String {
    /// The text with blanks behind it, `width` characters in all.
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
