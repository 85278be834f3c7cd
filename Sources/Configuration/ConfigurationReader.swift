import Bytes
import JSON
import JSONRPC
import Linux

/// Reads a configuration from its sources, weakest first, and gathers every fault on the way.
struct ConfigurationReader {
    /// What holds so far.
    var configuration: Configuration
    /// Every fault so far.
    var faults: [ConfigurationFault] = []
    /// Names of options that were given something wrong: what depends on them is not judged.
    private(set) var faulty: Set<String> = []

    private static let options = [String: Option](uniqueKeysWithValues: Option.all.map { ($0.name, $0) })
    private static let sections = Set(Section.all.map(\.name))

    /// Begins with the defaults.
    init(_ sources: Sources) {
        configuration = Configuration(defaultsFor: sources)
    }

    /// Reads everything and checks it.
    mutating func read() {
        readFile()
        readEnvironment()
        readFlags()
        completeStores()
        readPassword()
        checkTLS()
        checkAudit()
        checkClasses()
        checkRelations()
    }

    /// Gives an option a value.
    ///
    /// - Parameters:
    ///   - option: The option.
    ///   - origin: Where the value comes from.
    ///   - subject: How the option is named in a fault.
    ///   - expectation: What the value must be; nil for what the option says.
    ///   - value: Gives the value.
    private mutating func set(
        _ option: Option,
        _ origin: Origin,
        subject: String,
        expectation: String? = nil,
        _ value: () throws(Refusal) -> Document
    ) {
        do throws(Refusal) {
            let document = try value()
            if document.isNull, option.isNullAbsent { return }
            try option.set(document, in: &configuration)
            configuration.origins[option.name] = origin
            faulty.remove(option.name)
        } catch {
            faulty.insert(option.name)
            let reason = error.reason.map { ": \($0)" } ?? " must be \(expectation ?? option.expectation)"
            faults.append(ConfigurationFault(subject + reason))
        }
    }
}

extension ConfigurationReader {
    private mutating func readFile() {
        let sources = configuration.sources
        let named = sources.flags.values[.config]
        let paths = DefaultPaths(environment: sources.environment, userID: sources.userID)
        guard let path = named ?? paths.configurationFile else { return }
        do throws(ConfigurationFault) {
            guard let members = try ConfigurationFile.read(path, isOptional: named == nil) else { return }
            configuration.file = path
            read(members, below: "")
        } catch {
            faults.append(error)
        }
    }

    private mutating func read(_ members: DocumentObject, below level: String) {
        for member in members {
            let name = level + member.name
            // Editors look there for the schema.
            if name == "$schema" { continue }
            if member.name.contains(".") {
                faults.append(ConfigurationFault("\(Printable.text(name)) is unknown; levels are written as objects"))
            } else if let option = Self.options[name] {
                set(option, .file, subject: name) { member.value }
            } else if !Self.sections.contains(name) {
                faults.append(Self.unknown(name))
            } else if let members = member.value.object {
                if name == "namespaces" { readNamespaces(members) } else { read(members, below: name + ".") }
            } else {
                faults.append(ConfigurationFault("\(name) must be an object"))
            }
        }
    }

    private mutating func readNamespaces(_ namespaces: DocumentObject) {
        for namespace in namespaces {
            let level = "namespaces." + namespace.name
            guard Self.isNamespace(namespace.name) else {
                let rule = "a namespace's name has 1 to 64 letters a to z, digits, _, . or -"
                faults.append(ConfigurationFault("\(Printable.text(level)): \(rule)"))
                continue
            }
            guard let members = namespace.value.object else {
                faults.append(ConfigurationFault("\(level) must be an object"))
                continue
            }
            let options = Option.all(ofNamespace: namespace.name)
            for member in members {
                let name = "\(level).\(member.name)"
                if let option = options.first(where: { $0.name == name }) {
                    set(option, .file, subject: name) { member.value }
                } else {
                    faults.append(Self.unknown(name, among: options.map(\.name)))
                }
            }
        }
    }

    private static func isNamespace(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    private static func unknown(_ name: String, among known: [String]? = nil) -> ConfigurationFault {
        let known = known ?? Option.all.map(\.name) + Section.all.map(\.name)
        let close = Suggestion.closest(to: name, among: known)
        let question = close.isEmpty ? "" : "; did you mean \(close.joined(separator: " or "))?"
        return ConfigurationFault("\(Printable.text(name)) is unknown\(question)")
    }
}

extension ConfigurationReader {
    private mutating func readEnvironment() {
        let environment = configuration.sources.environment
        for option in Option.all {
            guard let variable = option.variables.first(where: { environment[$0.name] != nil }),
                let text = environment[variable.name]
            else { continue }
            let seconds = "a whole number of seconds from 1 to \(OptionKind.lifeSecondsMax), or null for no end"
            set(
                option,
                .environment,
                subject: "\(option.name) (\(variable.name))",
                expectation: variable.isInSeconds ? seconds : nil
            ) { () throws(Refusal) in
                try option.value(of: text, isInSeconds: variable.isInSeconds)
            }
        }
        refuseNamespaceVariables()
    }

    /// Finds variables that would set what only the file can: whoever gives one believes that it counts.
    private mutating func refuseNamespaceVariables() {
        let known = Set(Option.all.flatMap(\.variables).map(\.name))
        let names = Option.all.map { $0.name.split(separator: ".") }.filter { $0.first == "namespaces" }.map { $0[1] }
        let list = names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
        let reason = "sets nothing: of namespaces only ttl_ms of \(list) has a variable, all else is in the file"
        for name in configuration.sources.environment.names(withPrefix: Variable.own(of: "namespaces.").name)
        where !known.contains(name) {
            faults.append(ConfigurationFault("\(Printable.text(name)) \(reason)"))
        }
    }

    private mutating func readFlags() {
        for option in Option.all {
            guard let flag = option.flag, let text = configuration.sources.flags.values[flag] else { continue }
            set(option, .flag, subject: "\(option.name) (\(flag.rawValue))") { () throws(Refusal) in
                try option.value(of: text)
            }
        }
    }
}

extension ConfigurationReader {
    /// Lets one URL serve both roles, `VALKEY_HOST` and `VALKEY_PORT` stand for it, and the embedded servers for them.
    private mutating func completeStores() {
        let (cache, state) = ("valkey.cache_url", "valkey.state_url")
        if !faulty.isDisjoint(with: [cache, state]) { return }
        do throws(ConfigurationFault) {
            if configuration.valkey.cacheURL == nil, configuration.valkey.stateURL == nil,
                let url = try ServerVariables.url(configuration.sources.environment)
            {
                configuration.valkey.cacheURL = url
                configuration.origins[cache] = .environment
            }
        } catch {
            faults.append(error)
            return
        }
        switch (configuration.valkey.cacheURL, configuration.valkey.stateURL) {
        case (let url?, nil):
            configuration.valkey.stateURL = url
            configuration.origins[state] = configuration.origins[cache]
        case (nil, let url?):
            configuration.valkey.cacheURL = url
            configuration.origins[cache] = configuration.origins[state]
        case (nil, nil) where configuration.stateDirectory == nil && !faulty.contains("state_directory"):
            let reason = "must be given: the embedded servers keep their data there, and HOME is not set"
            faults.append(ConfigurationFault("state_directory \(reason)"))
        default:
            break
        }
    }

    /// The state of the audit chain must outlive the agent.
    private mutating func checkAudit() {
        guard configuration.audit.file != nil, configuration.stateDirectory == nil, !faulty.contains("state_directory")
        else { return }
        faults.append(
            ConfigurationFault("state_directory must be given: the state of the audit chain is kept there")
        )
    }

    private mutating func checkRelations() {
        var values: [String: Document] = [:]
        for value in configuration.values where !faulty.contains(value.name) { values[value.name] = value.value }
        for relation in Relation.all where !relation.holds(in: values) {
            faults.append(ConfigurationFault("\(relation.lesser) must not exceed \(relation.greater)"))
        }
        if faults.isEmpty, let fault = configuration.limits.connection.fault() {
            faults.append(ConfigurationFault("limits: \(fault)"))
        }
    }
}
