import Contract
public import JSON

/// Finds the ids of users and groups.
public struct AccountNames: Sendable {
    /// The id of the user of a name; nil where there is none.
    public let userID: @Sendable (String) -> UInt32?
    /// The id of the group of a name; nil where there is none.
    public let groupID: @Sendable (String) -> UInt32?

    /// Finds them by these functions, which may block.
    public init(
        userID: @escaping @Sendable (String) -> UInt32?,
        groupID: @escaping @Sendable (String) -> UInt32?
    ) {
        self.userID = userID
        self.groupID = groupID
    }
}

extension Policy {
    /// Reads a policy.
    ///
    /// - Parameters:
    ///   - document: What the file holds.
    ///   - accounts: Where names of users and groups are looked up.
    /// - Throws: ``PolicyFaults`` with every fault.
    public init(_ document: Document, accounts: AccountNames) throws(PolicyFaults) {
        var reader = PolicyReader(accounts: accounts)
        let rules = reader.rules(document)
        guard reader.faults.isEmpty else { throw PolicyFaults(faults: reader.faults) }
        self.init(rules: rules)
    }
}

/// Reads the document of a policy, and gathers every fault on the way.
struct PolicyReader {
    let accounts: AccountNames
    private(set) var faults: [PolicyFault] = []

    /// Most rules of a policy.
    static let rulesMax = 256

    init(accounts: AccountNames) {
        self.accounts = accounts
    }

    mutating func rules(_ document: Document) -> [Rule] {
        guard let members = document.object else {
            record("a policy must be an object")
            return []
        }
        for member in members where !["$schema", "rules"].contains(member.name) {
            record("\(quoted(member.name)) is unknown; a policy has the member rules")
        }
        guard let elements = members["rules"]?.array, elements.count <= PolicyReader.rulesMax else {
            record("rules must be an array of at most \(PolicyReader.rulesMax) rules")
            return []
        }
        var rules: [Rule] = []
        for (index, element) in elements.enumerated() {
            guard let rule = rule(element, "rules[\(index)]") else { continue }
            if rules.contains(where: { $0.name == rule.name }) {
                record("rules[\(index)].name: another rule is called \(quoted(rule.name))")
            }
            rules.append(rule)
        }
        return rules
    }

    private static let members = [
        "name", "users", "groups", "sockets", "methods", "operator", "namespaces", "names", "quotas",
    ]

    private mutating func rule(_ document: Document, _ place: String) -> Rule? {
        guard let members = document.object else {
            record("\(place) must be an object")
            return nil
        }
        for member in members where !PolicyReader.members.contains(member.name) {
            let known = PolicyReader.members.joined(separator: ", ")
            record("\(place).\(quoted(member.name)) is unknown; a rule has \(known)")
        }
        guard let name = members["name"]?.string, (1...64).contains(name.utf8.count), isPlain(name) else {
            record("\(place).name must be a text of 1 to 64 printable ASCII characters")
            return nil
        }
        var rule = Rule(name: name)
        readCallers(members, place, &rule)
        readMethods(members, place, &rule)
        rule.namespaces = globs(members["namespaces"], "\(place).namespaces", mayBeEmpty: true)
        rule.names = globs(members["names"], "\(place).names", mayBeEmpty: false)
        readQuota(members["quotas"], "\(place).quotas", &rule)
        return rule
    }

    private mutating func readCallers(_ members: DocumentObject, _ place: String, _ rule: inout Rule) {
        for element in list(members["users"], "\(place).users") {
            if let id = number(element) {
                insert(user: id, "\(place).users", &rule)
            } else if element.string == "@agent" {
                rule.users.insert(.agent)
            } else if let name = element.string, let id = accounts.userID(name) {
                insert(user: id, "\(place).users", &rule)
            } else {
                record("\(place).users: there is no user \(quoted(element)); a name, an unquoted number or \"@agent\"")
            }
        }
        for element in list(members["groups"], "\(place).groups") {
            if let id = number(element) {
                rule.groups.insert(.id(id))
            } else if element.string == "@socket" {
                rule.groups.insert(.socket)
            } else if let name = element.string, let id = accounts.groupID(name) {
                rule.groups.insert(.id(id))
            } else {
                record(
                    "\(place).groups: there is no group \(quoted(element)); a name, an unquoted number or \"@socket\" is meant"
                )
            }
        }
        if members["sockets"] != nil {
            rule.sockets = []
            for element in list(members["sockets"], "\(place).sockets") {
                guard let name = element.string else {
                    record("\(place).sockets must hold names of sockets")
                    continue
                }
                rule.sockets?.insert(name)
            }
        }
        if members["users"] == nil, members["groups"] == nil, members["sockets"] == nil {
            record("\(place) must say to whom it speaks: users, groups or sockets")
        }
    }

    private mutating func insert(user id: UInt32, _ place: String, _ rule: inout Rule) {
        if id == Caller.unmapped || id == .max {
            record("\(place): \(id) stands for every user that is not known here and is never served")
        } else {
            rule.users.insert(.id(id))
        }
    }

    private mutating func readMethods(_ members: DocumentObject, _ place: String, _ rule: inout Rule) {
        if members["methods"] == nil, members["operator"] == nil { record("\(place).methods is missing") }
        for element in list(members["methods"], "\(place).methods") {
            guard let text = element.string else {
                record("\(place).methods must hold names of methods or patterns such as \"cache.*\"")
                continue
            }
            readMethod(text, "\(place).methods", &rule)
        }
        guard let member = members["operator"] else { return }
        guard let isOperator = member.boolean else { return record("\(place).operator must be true or false") }
        if isOperator {
            rule.methods.formUnion(Method.operators)
            rule.methods.formUnion(Method.withOperatorParameters)
            rule.operatorMethods.formUnion(Method.withOperatorParameters)
        }
    }

    /// Takes a method's name, a pattern over those that are not an operator's, or `method:parameter`.
    private mutating func readMethod(_ text: String, _ place: String, _ rule: inout Rule) {
        let glob = NamePattern(text)
        if glob.isLiteral {
            let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
            guard let method = Method.allCases.first(where: { "\($0.name)" == parts.first }) else {
                return record("\(place): there is no method \(quoted(text)); rpc list names those there are")
            }
            rule.methods.insert(method)
            guard parts.count == 2 else { return }
            guard method.operatorParameters.contains(where: { "\($0)" == parts[1] }) else {
                return record("\(place): \(quoted(text)): \(method.name) has no such parameter of operators")
            }
            rule.operatorMethods.insert(method)
        } else {
            let methods = Method.everyday.filter { glob.matches("\($0.name)") }
            if methods.isEmpty { record("\(place): no method of everyday use matches \(quoted(text))") }
            rule.methods.formUnion(methods)
        }
    }

    private mutating func globs(_ document: Document?, _ place: String, mayBeEmpty: Bool) -> [NamePattern]? {
        guard let document else { return nil }
        var globs: [NamePattern] = []
        for element in list(document, place) {
            guard let text = element.string, mayBeEmpty || !text.isEmpty, text.utf8.count <= 256 else {
                record("\(place) must hold patterns of at most 256 bytes")
                continue
            }
            globs.append(NamePattern(text))
        }
        return globs
    }

    private mutating func readQuota(_ document: Document?, _ place: String, _ rule: inout Rule) {
        guard let document else { return }
        guard let members = document.object else { return record("\(place) must be an object") }
        for member in members {
            let value = member.value.integer.flatMap { (1...1_000_000_000).contains($0) ? Int($0) : nil }
            if value == nil { record("\(place).\(quoted(member.name)) must be an integer from 1 to 1000000000") }
            switch member.name {
            case "requests_per_second": rule.quota.requestsPerSecond = value
            case "in_flight": rule.quota.inFlight = value
            case "bytes_per_second": rule.quota.bytesPerSecond = value
            case "subscriptions": rule.quota.subscriptions = value
            case "locks": rule.quota.locks = value
            default:
                let known = "requests_per_second, in_flight, bytes_per_second, subscriptions, locks"
                record("\(place).\(quoted(member.name)) is unknown; a quota is one of \(known)")
            }
        }
    }

    private mutating func list(_ document: Document?, _ place: String) -> [Document] {
        guard let document else { return [] }
        guard let elements = document.array, !elements.isEmpty, elements.count <= 1024 else {
            record("\(place) must be an array of 1 to 1024 elements")
            return []
        }
        return elements
    }

    private func number(_ document: Document) -> UInt32? {
        document.integer.flatMap { UInt32(exactly: $0) }
    }

    private mutating func record(_ fault: String) {
        faults.append(PolicyFault(fault))
    }

    private func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "\"") }
    }

    /// A text as it may stand in a line for people.
    private func quoted(_ text: String) -> String {
        Document.string(String(text.prefix(64))).text(style: .compact)
    }

    private func quoted(_ document: Document) -> String {
        document.string.map { quoted($0) } ?? String(document.text(style: .compact).prefix(64))
    }
}
