import LoadGenerator
import RPCUsage
import Testing

@testable import RPCCommand

struct BenchOptionsTests {
    @Test
    func `Without options the default load is put on the agent`() throws {
        let options = try BenchOptions([])
        #expect(options.workload == Workload())
        #expect(options.comparison == nil)
        #expect(options.direct == nil)
    }

    @Test
    func `Every option is understood, with its value behind it or after an equals sign`() throws {
        let options = try BenchOptions([
            "--mix", "get:9,set", "--keys=500", "--distribution", "zipf:1.2", "--value-bytes", "64KiB", "--many=7",
            "--connections", "3", "--idle", "4", "--pipeline", "16", "--rate", "2500.5", "--warm-up", "0", "--duration",
            "250ms", "--ttl", "5m", "--seed", "9", "--rounds", "2", "--socket", "/s", "--wait", "2s", "--compare",
            "unix:///v", "--fresh", "--json", "--keep", "--prepared",
        ])
        var expected = Workload()
        expected.mix = [Workload.Share(.get, weight: 9), Workload.Share(.set, weight: 1)]
        expected.keys = 500
        expected.distribution = .zipf(exponent: 1.2)
        expected.valueBytes = 65_536
        expected.manyKeys = 7
        expected.connections = 3
        expected.idleConnections = 4
        expected.pipeline = 16
        expected.rate = 2500.5
        expected.warmUp = .zero
        expected.duration = .milliseconds(250)
        expected.lifeMilliseconds = 300_000
        expected.seed = 9
        expected.isFresh = true
        #expect(options.workload == expected)
        #expect(options.rounds == 2)
        #expect(options.socket == "/s")
        #expect(options.wait == .seconds(2))
        #expect(options.comparison == (try LoadTarget(url: "unix:///v")))
        #expect(options.isJSON && options.isKeeping && options.isPrepared)
    }

    @Test(
        "A wrong option is named with what it may be",
        arguments: [
            (["--conections", "5"], "Did you mean --connections?"),
            (["5"], "no option 5"),
            (["--keys"], "needs a value"),
            (["--json=yes"], "takes no value"),
            (["--keys", "0"], "from 1 to 99999999"),
            (["--pipeline", "1025"], "from 1 to 1024"),
            (["--mix", "get:0"], "such as get:9,set:1"),
            (["--mix", "got"], "They are: get, set"),
            (["--distribution", "normal"], "takes uniform"),
            (["--distribution", "zipf:0"], "takes uniform"),
            (["--value-bytes", "1"], "from 2 to 64MiB"),
            (["--rate", "0"], "calls a second"),
            (["--duration", "0"], "a duration"),
            (["--compare", "valkeys://x"], "TLS is not measured"),
            (["--direct", "unix:///v", "--compare", "unix:///v"], "do not go with it"),
            (["--direct", "unix:///v", "--source", "5ms"], "do not go with it"),
            (["--in-order"], "--socket names its socket"),
        ] as [([String], String)]
    )
    func faults(_ words: [String], _ said: String) throws {
        let run = try CommandRun(["bench"] + words)
        #expect(run.status == 3)
        #expect(run.complaint.contains(said), "\(run.complaint)")
        #expect(run.output.isEmpty)
    }

    @Test
    func `The socket may be named before the command too`() throws {
        #expect(BenchOptions.words(in: ["bench", "--json"]) == ["--json"])
        #expect(BenchOptions.words(in: ["--socket", "/s", "--wait=1s", "bench"]) == ["--socket", "/s", "--wait=1s"])
        #expect(BenchOptions.words(in: ["cache.get", "key=bench"]) == nil)
        #expect(BenchOptions.words(in: ["--socket", "bench"]) == nil)
        #expect(try CommandRun(["bench", "--help"]).output.contains("rpc bench [options]"))
    }

    @Test
    func `An agent that is not there is said so`() throws {
        let run = try CommandRun(["bench", "--duration", "1ms"])
        #expect(run.status == 2)
        #expect(run.complaint.contains("no agent can be reached"))
    }
}
