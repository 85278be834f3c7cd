import Linux
import RPCClient
import Testing

@testable import RPCCommand

@Suite("A command under a lease")
struct LeaseDeadlineTests {
    private static let start = Instant(nanoseconds: 5_000_000_000)

    @Test("is asked to end, and ended, before the lease is", arguments: [100, 1000, 30_000, 3_600_000])
    func order(life: Int64) {
        let deadlines = LeaseDeadlines(life: life, sent: Self.start)
        #expect(Self.start < deadlines.nextRenewal)
        #expect(deadlines.nextRenewal < deadlines.termination)
        #expect(deadlines.termination < deadlines.killing)
        #expect(deadlines.killing <= Self.start.advanced(milliseconds: life))
        // Two renewals fit before.
        let second = deadlines.nextRenewal.advanced(nanoseconds: deadlines.nextRenewal.nanoseconds(since: Self.start))
        #expect(second < deadlines.termination)
    }

    @Test("goes on with each renewal")
    func renewal() {
        var deadlines = LeaseDeadlines(life: 1000, sent: Self.start)
        let later = Self.start.advanced(milliseconds: 300)
        #expect(deadlines.isWorn(at: later))
        deadlines.renewed(life: 1000, sent: later)
        #expect(!deadlines.isWorn(at: later))
        #expect(deadlines.killing == later.advanced(milliseconds: 1000))
        // The answer to an earlier request says nothing new.
        deadlines.renewed(life: 1000, sent: Self.start)
        #expect(deadlines.killing == later.advanced(milliseconds: 1000))
    }

    @Test("has the grace where it is asked early, and never more than is left")
    func grace() {
        let deadlines = LeaseDeadlines(life: 1000, sent: Self.start)
        #expect(deadlines.killing(askedAt: Self.start) == Self.start.advanced(milliseconds: 250))
        let late = Self.start.advanced(milliseconds: 900)
        #expect(deadlines.killing(askedAt: late) == deadlines.killing)
    }

    @Test("The command line of lock.exec is cut at --")
    func invocation() throws {
        let invocation = try Invocation(["lock.exec", "name=n", "ttl_ms=5s", "--", "sh", "-c", "exit 3"])
        let command = ["sh", "-c", "exit 3"].map { Array($0.utf8) }
        #expect(invocation.action == .execute(method: "lock.exec", words: ["name=n", "ttl_ms=5s"], command: command))
        #expect(throws: CommandError.self) { try Invocation(["lock.exec", "name=n"]) }
        #expect(throws: CommandError.self) { try Invocation(["lock.exec", "name=n", "--"]) }
        #expect(throws: CommandError.self) { try Invocation(["cache.get", "key=k", "--graph"]) }
    }

    @Test("Who waits for whom is drawn, with what waiters hold elsewhere")
    func graph() throws {
        let page = try #require(
            JSONFragment(
                """
                {"locks":[{"name":"b","locked":true,"mode":"shared","fence":8,"holders":[
                {"label":"mailer","host":"h2","since_at_ms":1,"mode":"shared","party":"p2"}],"waiters":[]},
                {"name":"a","locked":true,"mode":"exclusive","fence":7,"holders":[
                {"label":"report","host":"h1","since_at_ms":1,"mode":"exclusive","party":"p1","revoked":true}],
                "waiters":[{"label":"mailer","host":"h2","since_at_ms":2,"mode":"exclusive","party":"p2"},
                {"host":"h3","since_at_ms":2,"mode":"shared","party":"p3"}]}],"cursor":null}
                """
            )
        )
        let expected = """
            a  exclusive, fence 7
            ├─ held by report on h1, revoked
            ├─ 1. mailer on h2 waits (exclusive), holds b
            └─ 2. p3 on h3 waits (shared)
            b  shared, fence 8
            └─ held by mailer on h2

            """
        #expect(LockGraph.text(page) == expected)
        #expect(LockGraph.text(try #require(JSONFragment(#"{"locks":[],"cursor":null}"#))) == "nobody holds a lock\n")
    }
}
