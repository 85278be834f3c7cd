import Contract

/// Who may call which methods: the rules of a file, or those that hold without one.
public struct Policy: Sendable {
    /// The rules, in the order written.
    public let rules: [Rule]

    /// Makes a policy of rules.
    public init(rules: [Rule]) {
        self.rules = rules
    }

    /// What holds where no policy is configured.
    ///
    /// The agent's own user, root and members of the group of the socket's file may call everything but the methods of
    /// operators, which nobody may: who operates an agent is for its host to say.
    public static let standard: Policy = {
        var standard = Rule(name: "standard")
        standard.users = [.agent, .id(0)]
        standard.groups = [.socket]
        standard.methods = Method.everyday
        return Policy(rules: [standard])
    }()
}

extension Method {
    /// Methods that patterns such as `cache.*` stand for: all but those of operators.
    static let everyday = Set(allCases.filter { !$0.isOperator })
    /// Methods of operators, but for those that only a rule of their own grants.
    static let operators = Set(allCases.filter { $0.isOperator && !$0.isOnlyGrantedByName })
    /// Methods that are an operator's with some parameter.
    static let withOperatorParameters = Set(allCases.filter { !$0.operatorParameters.isEmpty })
}
