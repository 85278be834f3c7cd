import Contract
import JSON
import Policy

/// Callers and policies for the tests.
enum Fixture {
    static let agent: UInt32 = 900
    static let socketGroup: UInt32 = 800

    /// A caller on the main socket.
    static func caller(_ user: UInt32, groups: Set<UInt32> = [], socket: String = "main") -> Caller {
        Caller(userID: user, groups: groups, socket: socket, socketGroup: socketGroup)
    }

    /// Users and groups that the tests' host knows.
    static let accounts = AccountNames(
        userID: { ["root": 0, "ada": 1001][$0] },
        groupID: { ["web": 2001][$0] }
    )

    /// A policy of rules as the file has them.
    static func policy(_ rules: String) throws -> Policy {
        try Policy(try Document.parse(#"{"rules": [\#(rules)]}"#), accounts: accounts)
    }

    /// What a policy of rules grants a caller.
    static func access(_ rules: String, _ caller: Caller) throws -> Access {
        Access(try policy(rules), caller, agent: agent)
    }
}

extension Access {
    /// Whether a call is granted.
    func grants(_ method: Method, _ scope: Scope? = nil) -> Bool {
        if case .granted = decide(method, scope) { true } else { false }
    }
}
