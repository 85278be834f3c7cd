import Contract
import JSON
import JSONRPC
import Linux
import Testing

@testable import Policy

@Suite("The file of a policy")
struct PolicyReaderTests {
    private func faults(_ text: String) throws -> [String] {
        do {
            _ = try Policy(try Document.parse(text), accounts: Fixture.accounts)
            return []
        } catch let faults as PolicyFaults {
            return faults.faults.map(\.description)
        }
    }

    @Test("names everything that is wrong with it, by the member at fault")
    func everyFault() throws {
        let cases: [(policy: String, words: [String])] = [
            ("[]", ["must be an object"]), ("{}", ["rules must be"]), (#"{"rules": {}}"#, ["rules must be"]),
            (#"{"rules": [], "rule": 1}"#, [#""rule" is unknown"#]), (#"{"rules": [1]}"#, ["rules[0] must be"]),
            (#"{"rules": [{"users": [0], "methods": ["*"]}]}"#, ["rules[0].name"]),
            (#"{"rules": [{"name": "a", "methods": ["*"]}]}"#, ["to whom it speaks"]),
            (#"{"rules": [{"name": "a", "users": [0]}]}"#, ["rules[0].methods is missing"]),
            (#"{"rules": [{"name": "a", "users": [], "methods": ["*"]}]}"#, ["rules[0].users"]),
            (#"{"rules": [{"name": "a", "users": ["eve"], "methods": ["*"]}]}"#, [#"no user "eve""#]),
            (#"{"rules": [{"name": "a", "users": [-1], "methods": ["*"]}]}"#, ["no user -1"]),
            (#"{"rules": [{"name": "a", "users": [65534], "methods": ["*"]}]}"#, ["never served"]),
            (#"{"rules": [{"name": "a", "groups": ["eve"], "methods": ["*"]}]}"#, [#"no group "eve""#]),
            (#"{"rules": [{"name": "a", "sockets": [1], "methods": ["*"]}]}"#, ["rules[0].sockets"]),
            (#"{"rules": [{"name": "a", "users": [0], "methods": ["cache.got"]}]}"#, [#"no method "cache.got""#]),
            (#"{"rules": [{"name": "a", "users": [0], "methods": ["cash.*"]}]}"#, [#"matches "cash.*""#]),
            (#"{"rules": [{"name": "a", "users": [0], "methods": ["valkey.*"]}]}"#, [#"matches "valkey.*""#]),
            (#"{"rules": [{"name": "a", "users": [0], "methods": ["cache.get:all"]}]}"#, ["no such parameter"]),
            (#"{"rules": [{"name": "a", "users": [0], "operator": 1}]}"#, ["operator must be"]),
            (#"{"rules": [{"name": "a", "users": [0], "methods": ["*"], "names": [""]}]}"#, ["rules[0].names"]),
            (
                #"{"rules": [{"name": "a", "users": [0], "methods": ["*"], "quotas": {"locks": 0, "x": 1}}]}"#,
                ["quotas.\"locks\" must be", "quotas.\"x\" is unknown"]
            ),
            (
                #"{"rules": [{"name": "a", "users": [0], "methods": ["*"]}, {"name": "a", "users": [0], "methods": ["*"]}]}"#,
                ["rules[1].name: another rule"]
            ),
        ]
        for (policy, words) in cases {
            let found = try faults(policy)
            #expect(found.count == words.count, "\(policy): \(found)")
            for word in words { #expect(found.contains { $0.contains(word) }, "\(policy): \(found)") }
        }
    }

    @Test("without rules serves nobody")
    func empty() throws {
        let policy = try Fixture.policy("")
        #expect(policy.rules.isEmpty)
        #expect(!Access(policy, Fixture.caller(0), agent: 0).grants(.agentPing))
    }
}

@Suite("The example of a policy")
struct PolicyExampleTests {
    @Test("is the standard policy with root and the agent's user as operators")
    func example() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
        let bytes = try FileDescriptor.open("\(root)/config/policy.json", flags: 0).readAll(limit: 1 << 20)
        let policy = try Policy(try Document.parse(bytes), accounts: Fixture.accounts)
        for method in Method.allCases {
            for user: UInt32 in [0, Fixture.agent] {
                let access = Access(policy, Fixture.caller(user), agent: Fixture.agent)
                #expect(access.grants(method) == (method != .valkeyCall), "\(method)")
                #expect(access.unrestricted.contains(Int(method.rawValue)) == (method != .valkeyCall), "\(method)")
            }
            let member = Fixture.caller(1001, groups: [Fixture.socketGroup])
            #expect(
                Access(policy, member, agent: Fixture.agent).grants(method)
                    == Access(.standard, member, agent: Fixture.agent).grants(method)
            )
        }
    }
}
