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
    /// The agent's own user and root may call everything, members of the
    /// group of the socket's file everything but the methods of operators. Nobody may call `valkey.call`.
    public static let standard: Policy = {
        var operators = Rule(name: "operators")
        operators.users = [.agent, .id(0)]
        operators.methods = Method.everyday.union(Method.operators)
        operators.operatorMethods = Method.withOperatorParameters
        var members = Rule(name: "members")
        members.groups = [.socket]
        members.methods = Method.everyday
        return Policy(rules: [operators, members])
    }()
}

extension Method {
    /// Methods that patterns such as `cache.*` stand for: all but those of operators.
    static let everyday = Set(allCases.filter { !$0.isOperator })
    /// Methods of operators, but for those that only a rule of their own grants.
    static let operators = Set(allCases.filter { $0.isOperator && !$0.isOnlyGrantedByName })
    /// Methods that are an operator's with some parameter.
    static let withOperatorParameters = Set(allCases.filter { !$0.operatorParameters.isEmpty })

    /// Whether not even the rule for operators grants the method: it goes past everything that the agent sees to.
    var isOnlyGrantedByName: Bool { name.isSame("valkey.call") }
}
