public import Contract
public import JSONRPC

/// What one caller may do, worked out once when it connects: most calls then cost the test of one bit.
public final class Access: Sendable {
    /// Who calls.
    public let caller: Caller
    /// Names of the rules that speak to the caller, in the order of the policy.
    public var ruleNames: [String] { rules.map(\.name) }
    /// Methods that the caller may call, some of them with some parameters only.
    public let granted: MethodSet
    /// Methods that the caller may call with any parameters.
    public let unrestricted: MethodSet
    /// What bounds the caller: the strictest bound of the rules that speak to it.
    public let quota: Quota
    private let rules: [Rule]

    /// Whether a call may run, and why.
    public enum Decision: Equatable, Sendable {
        /// The rule of this name grants it.
        case granted(rule: String)
        /// No rule does, for this reason: a sentence for the caller.
        case refused(reason: String)
    }

    /// Works out what `policy` grants `caller`.
    public init(_ policy: Policy, _ caller: Caller, agent: UInt32) {
        let rules = policy.rules.filter { $0.applies(to: caller, agent: agent) }
        var granted = MethodSet()
        var unrestricted = MethodSet()
        for rule in rules {
            for method in rule.methods {
                granted.insert(Int(method.rawValue))
                let isFree =
                    (rule.namespaces == nil || !Scope.hasNamespace(method))
                    && (rule.names == nil || !Scope.hasNames(method))
                    && (method.operatorParameters.isEmpty || rule.operatorMethods.contains(method))
                if isFree { unrestricted.insert(Int(method.rawValue)) }
            }
        }
        self.caller = caller
        self.rules = rules
        self.granted = granted
        self.unrestricted = unrestricted
        quota = rules.reduce(Quota()) { $0.merged($1.quota) }
    }

    /// Whether the caller surely may do everything that it might by `other`.
    ///
    /// - Parameter other: What the caller might do by another policy.
    /// - Returns: False too where other rules grant as much together.
    public func covers(_ other: Access) -> Bool {
        other.rules.allSatisfy { rule in rules.contains { $0.covers(rule) } }
    }

    /// Decides about a call.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - scope: What the call speaks of; nil where only the method is asked about.
    /// - Returns: Whether it may run.
    public func decide(_ method: Method, _ scope: Scope?) -> Decision {
        if caller.isUnmapped {
            return .refused(
                reason: "the kernel shows your user as \(caller.userID), which stands for every user that is not known"
                    + " here: use a socket of the agent that is shared without a user namespace"
            )
        }
        guard !rules.isEmpty else {
            return .refused(reason: "no rule of the policy speaks to uid \(caller.userID) on socket \(caller.socket)")
        }
        let granting = rules.filter { $0.methods.contains(method) }
        guard !granting.isEmpty else {
            let nobody = "no rule grants \(method.name) to uid \(caller.userID) on socket \(caller.socket)"
            guard method.isOperator else { return .refused(reason: nobody) }
            let way = method.isOnlyGrantedByName ? "name it" : "name it or set operator, \(Access.example)"
            return .refused(reason: nobody + "; it is for operators: a rule of policy.file must \(way)")
        }
        guard let scope else { return .granted(rule: granting[0].name) }
        var reason = ""
        for rule in granting {
            guard let fault = Access.fault(of: scope, method, under: rule) else { return .granted(rule: rule.name) }
            if reason.isEmpty { reason = fault }
        }
        return .refused(reason: reason)
    }

    /// Where it is to be seen how a rule names operators.
    private static var example: String { "as config/policy.json does" }

    /// Why `rule` does not grant a call of a method that it grants; nil where it does.
    private static func fault(of scope: Scope, _ method: Method, under rule: Rule) -> String? {
        if let parameter = scope.operatorParameter, !rule.operatorMethods.contains(method) {
            return "\(method.name) with \(parameter) is for operators: a rule of policy.file must name "
                + "\(method.name):\(parameter) or set operator, \(example)"
        }
        if let allowed = rule.namespaces, let namespace = scope.namespace,
            !allowed.contains(where: { $0.matches(namespace) })
        {
            return "no rule grants \(method.name) in this namespace"
        }
        guard let allowed = rule.names, let names = scope.names else { return nil }
        if names.isEmpty, !allowed.contains(where: \.matchesAll) {
            return "no rule grants \(method.name) without a name"
        }
        let areAllowed = names.allSatisfy { name in
            switch name {
            case .literal(let text): allowed.contains { $0.matches(text) }
            case .pattern(let text): allowed.contains { $0.covers(pattern: text) }
            }
        }
        return areAllowed ? nil : "no rule grants \(method.name) for this name"
    }
}
