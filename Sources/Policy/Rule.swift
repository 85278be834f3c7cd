public import Contract

/// One rule of a policy: to whom it speaks, and what it grants them.
///
/// Rules only grant. What no rule grants is refused, so their order means nothing.
public struct Rule: Equatable, Sendable {
    /// A user that a rule speaks to.
    public enum User: Hashable, Sendable {
        /// The user with this id.
        case id(UInt32)
        /// The user that the agent itself runs as (`@agent`).
        case agent
    }

    /// A group that a rule speaks to.
    public enum Group: Hashable, Sendable {
        /// The group with this id.
        case id(UInt32)
        /// The group of the socket's file (`@socket`).
        case socket
    }

    /// Name, for logs, audit and `auth.explain`.
    public var name: String
    /// Users; together with ``groups`` nil where the socket alone decides.
    public var users: Set<User> = []
    /// Groups whose members the rule speaks to, besides ``users``.
    public var groups: Set<Group> = []
    /// Names of sockets; nil for every socket.
    public var sockets: Set<String>?
    /// Methods that the rule grants.
    public var methods: Set<Method> = []
    /// Methods that the rule grants also with a parameter that makes the call one of an operator.
    public var operatorMethods: Set<Method> = []
    /// Namespaces that granted methods may be called with, the empty text for none; nil for every namespace.
    public var namespaces: [NamePattern]?
    /// Names of channels, topics, locks and the like that granted methods may be called with; nil for every name.
    public var names: [NamePattern]?
    /// What the rule bounds.
    public var quota = Quota()

    /// A rule that grants nothing yet.
    public init(name: String) {
        self.name = name
    }

    /// Whether the rule speaks to a caller.
    ///
    /// - Parameters:
    ///   - caller: Who calls.
    ///   - agent: The user that the agent runs as.
    /// - Returns: Whether it is one of those whom the rule grants something.
    public func applies(to caller: Caller, agent: UInt32) -> Bool {
        guard !caller.isUnmapped, sockets?.contains(caller.socket) ?? true else { return false }
        if users.isEmpty, groups.isEmpty { return true }
        if users.contains(.id(caller.userID)) || users.contains(.agent) && caller.userID == agent { return true }
        return groups.contains { group in
            switch group {
            case .id(let id): caller.groups.contains(id)
            case .socket: caller.socketGroup.map { caller.groups.contains($0) } ?? false
            }
        }
    }

    /// Whether it surely grants everything that another rule grants.
    ///
    /// - Parameter other: A rule that speaks to the same caller.
    /// - Returns: False too where it grants as much by other patterns.
    func covers(_ other: Rule) -> Bool {
        methods.isSuperset(of: other.methods) && operatorMethods.isSuperset(of: other.operatorMethods)
            && Rule.covers(namespaces, other.namespaces) && Rule.covers(names, other.names)
    }

    private static func covers(_ patterns: [NamePattern]?, _ others: [NamePattern]?) -> Bool {
        guard let patterns else { return true }
        guard let others else { return patterns.contains(where: \.matchesAll) }
        return others.allSatisfy { other in patterns.contains { $0.matchesAll || $0 == other } }
    }
}
