import Contract
import JSONRPC
import Testing

@testable import Policy

@Suite("What a policy grants")
struct AccessTests {
    @Test(
        "root, the agent's user and the socket's group everything but the methods of operators, others nothing"
    )
    func standard() {
        for method in Method.allCases {
            for user: UInt32 in [0, Fixture.agent] {
                let access = Access(.standard, Fixture.caller(user), agent: Fixture.agent)
                #expect(access.grants(method) == !method.isOperator, "\(method)")
                let isFree = !method.isOperator && method.operatorParameters.isEmpty
                #expect(access.unrestricted.contains(Int(method.rawValue)) == isFree, "\(method)")
            }
            let member = Access(
                .standard,
                Fixture.caller(1001, groups: [Fixture.socketGroup]),
                agent: Fixture.agent
            )
            #expect(member.grants(method) == !method.isOperator, "\(method)")
            let stranger = Access(.standard, Fixture.caller(1002, groups: [1002]), agent: Fixture.agent)
            #expect(!stranger.grants(method), "\(method)")
        }
    }

    @Test(
        "nobody whom the kernel cannot name, not even by a rule for every caller of a socket",
        arguments: [65534, .max]
    )
    func unmapped(user: UInt32) throws {
        let rule = #"{"name": "a", "sockets": ["main"], "methods": ["*"]}"#
        let access = try Fixture.access(rule, Fixture.caller(user, groups: [Fixture.socketGroup]))
        for method in Method.allCases { #expect(!access.grants(method)) }
        #expect(access.granted == MethodSet())
        #expect(Access(.standard, Fixture.caller(user), agent: user).granted == MethodSet())
    }

    @Test("by user, group, the agent itself, the socket's group and the socket")
    func callers() throws {
        let cases: [(who: String, caller: Caller, isGranted: Bool)] = [
            (#""users": ["ada"]"#, Fixture.caller(1001), true), (#""users": [1001]"#, Fixture.caller(1001), true),
            (#""users": ["ada"]"#, Fixture.caller(1002, groups: [1001]), false),
            (#""users": ["@agent"]"#, Fixture.caller(Fixture.agent), true),
            (#""users": ["@agent"]"#, Fixture.caller(0), false),
            (#""groups": ["web"]"#, Fixture.caller(5, groups: [7, 2001]), true),
            (#""groups": [2001]"#, Fixture.caller(5, groups: [2001]), true),
            (#""groups": ["web"]"#, Fixture.caller(2001), false),
            (#""groups": ["@socket"]"#, Fixture.caller(5, groups: [Fixture.socketGroup]), true),
            (#""users": ["ada"], "groups": ["web"]"#, Fixture.caller(5, groups: [2001]), true),
            (#""sockets": ["tenant"]"#, Fixture.caller(5, socket: "tenant"), true),
            (#""sockets": ["tenant"]"#, Fixture.caller(0), false),
            (#""sockets": ["tenant"], "users": ["ada"]"#, Fixture.caller(5, socket: "tenant"), false),
            (#""sockets": ["tenant"], "users": ["ada"]"#, Fixture.caller(1001, socket: "tenant"), true),
        ]
        for (who, caller, isGranted) in cases {
            let access = try Fixture.access(#"{"name": "a", \#(who), "methods": ["cache.get"]}"#, caller)
            #expect(access.grants(.cacheGet) == isGranted, "\(who) \(caller)")
            #expect(!access.grants(.cacheSet), "\(who) \(caller)")
        }
    }

    @Test("a pattern never stands for a method of operators, which is granted by its name or by operator")
    func operators() throws {
        let ada = Fixture.caller(1001)
        let all = try Fixture.access(#"{"name": "a", "users": ["ada"], "methods": ["*", "agent.*"]}"#, ada)
        for method in Method.allCases { #expect(all.grants(method) == !method.isOperator, "\(method)") }
        let named = try Fixture.access(#"{"name": "a", "users": ["ada"], "methods": ["agent.breaker"]}"#, ada)
        #expect(named.grants(.agentBreaker) && !named.grants(.agentConfig))
        let trusted = try Fixture.access(#"{"name": "a", "users": ["ada"], "operator": true}"#, ada)
        #expect(trusted.grants(.agentBreaker) && trusted.grants(.sessionRekey) && !trusted.grants(.agentPing))
        #expect(trusted.grants(.cacheInvalidate, Scope(namespace: "", operatorParameter: "all")))
        #expect(!trusted.grants(.valkeyCall))
        let raw = try Fixture.access(#"{"name": "a", "users": ["ada"], "methods": ["valkey.call"]}"#, ada)
        #expect(raw.grants(.valkeyCall))
    }

    @Test("a parameter of operators is granted by method:parameter")
    func operatorParameters() throws {
        let ada = Fixture.caller(1001)
        let all = Scope(namespace: "", operatorParameter: "all")
        let plain = try Fixture.access(#"{"name": "a", "users": ["ada"], "methods": ["cache.*"]}"#, ada)
        #expect(plain.grants(.cacheInvalidate, Scope(namespace: "a")) && !plain.grants(.cacheInvalidate, all))
        #expect(!plain.unrestricted.contains(Int(Method.cacheInvalidate.rawValue)))
        let rule = #"{"name": "a", "users": ["ada"], "methods": ["cache.invalidate:all"]}"#
        let clearing = try Fixture.access(rule, ada)
        #expect(clearing.grants(.cacheInvalidate, all))
        #expect(clearing.unrestricted.contains(Int(Method.cacheInvalidate.rawValue)))
    }

    @Test("in the namespaces and for the names that a rule has, and in all where it has none")
    func scopes() throws {
        let ada = Fixture.caller(1001)
        let rules = #"""
            {"name": "a", "users": ["ada"], "methods": ["cache.*", "channel.*", "agent.ping"],
             "namespaces": ["web", "web.*"], "names": ["orders", "news.*"]}
            """#
        let access = try Fixture.access(rules, ada)
        for (namespace, isGranted) in [("web", true), ("web.a", true), ("", false), ("webs", false), ("x", false)] {
            #expect(access.grants(.cacheGet, Scope(namespace: namespace)) == isGranted, "\(namespace)")
        }
        let names: [(Scope.Name, Bool)] = [
            (.literal("orders"), true), (.literal("news.sport"), true), (.literal("order"), false),
            (.pattern("news.*"), true), (.pattern("news.s?ort"), true), (.pattern("orders"), true),
            (.pattern("news*"), false), (.pattern("*"), false), (.pattern("n[e]ws.a"), false),
            (.pattern(#"news\.a"#), false),
        ]
        for (name, isGranted) in names {
            #expect(access.grants(.channelSubscribe, Scope(names: [name])) == isGranted, "\(name)")
        }
        #expect(!access.grants(.channelSubscribe, Scope(names: [])))
        #expect(!access.grants(.channelPublish, Scope(names: [.literal("orders"), .literal("x")])))
        #expect(access.unrestricted.contains(Int(Method.agentPing.rawValue)))
        for method in [Method.cacheGet, .channelSubscribe] {
            #expect(!access.unrestricted.contains(Int(method.rawValue)))
        }
        // What has neither is free, such as the end of a subscription.
        #expect(access.unrestricted.contains(Int(Method.channelUnsubscribe.rawValue)))
    }

    @Test("by any of several rules, bounded by the strictest of all that speak to the caller")
    func union() throws {
        let rules = #"""
            {"name": "a", "users": ["ada"], "methods": ["cache.get"], "namespaces": ["a"],
             "quotas": {"requests_per_second": 100, "in_flight": 5}},
            {"name": "b", "users": ["ada"], "methods": ["cache.*"], "namespaces": ["b"],
             "quotas": {"requests_per_second": 10}},
            {"name": "c", "users": ["root"], "methods": ["*"], "quotas": {"locks": 1}}
            """#
        let access = try Fixture.access(rules, Fixture.caller(1001))
        #expect(access.ruleNames == ["a", "b"])
        #expect(access.decide(.cacheGet, Scope(namespace: "a")) == .granted(rule: "a"))
        #expect(access.decide(.cacheGet, Scope(namespace: "b")) == .granted(rule: "b"))
        #expect(!access.grants(.cacheSet, Scope(namespace: "a")))
        #expect(access.quota.requestsPerSecond == 10)
        #expect(access.quota.inFlight == 5)
        #expect(access.quota.locks == nil)
    }

    @Test("and says why not")
    func reasons() throws {
        func reason(_ access: Access, _ method: Method, _ scope: Scope?) -> String {
            if case .refused(let reason) = access.decide(method, scope) { reason } else { "" }
        }
        let rule = #"{"name": "a", "users": ["ada"], "methods": ["cache.*"], "namespaces": ["a"]}"#
        let ada = try Fixture.access(rule, Fixture.caller(1001))
        #expect(reason(ada, .sessionGet, nil).contains("no rule grants session.get to uid 1001"))
        #expect(reason(ada, .cacheGet, Scope(namespace: "b")).contains("namespace"))
        let all = Scope(namespace: "", operatorParameter: "all")
        #expect(reason(ada, .cacheInvalidate, all).contains("must name cache.invalidate:all or set operator"))
        #expect(reason(ada, .lockBreak, nil).hasSuffix("must name it or set operator, as config/policy.json does"))
        #expect(reason(ada, .valkeyCall, nil).hasSuffix("a rule of policy.file must name it"))
        let bob = try Fixture.access(rule, Fixture.caller(7))
        #expect(reason(bob, .cacheGet, nil).contains("no rule of the policy speaks to uid 7"))
        #expect(reason(try Fixture.access(rule, Fixture.caller(65534)), .cacheGet, nil).contains("65534"))
    }

    @Test("is known to be no less than what another policy granted, or taken for less")
    func covering() throws {
        func rule(_ methods: String, _ more: String = "") throws -> Access {
            let text = #"{"name": "r", "users": ["ada"], "methods": [\#(methods)]\#(more)}"#
            return try Fixture.access(text, Fixture.caller(1001))
        }
        let all = try rule(#""*""#)
        let channels = try rule(#""channel.*""#)
        let shop = try rule(#""channel.*""#, #", "names": ["shop.*"]"#)
        let own = try rule(#""cache.*""#, #", "namespaces": ["own"]"#)
        let both = try rule(#""cache.*""#, #", "namespaces": ["own", "other"]"#)
        let none = try Fixture.access("", Fixture.caller(1001))
        for access in [all, channels, shop, own, both, none] {
            #expect(access.covers(access) && all.covers(access) && access.covers(none))
        }
        #expect(channels.covers(shop) && !shop.covers(channels) && !channels.covers(all) && !none.covers(shop))
        #expect(both.covers(own) && !own.covers(both) && !own.covers(channels))
        #expect(try !all.covers(rule(#""*", "cache.invalidate:all""#)))
    }
}
