import Testing

@testable import LoadGenerator

struct LoadTargetTests {
    @Test(
        "URLs name a server",
        arguments: [
            ("valkey://", .tcp(host: "localhost", port: 6379)),
            ("valkey://cache:7000", .tcp(host: "cache", port: 7000)),
            ("redis://cache/3", .tcp(host: "cache", port: 6379)),
            ("valkey://[::1]:7000", .tcp(host: "::1", port: 7000)),
            ("valkey://[::1]", .tcp(host: "::1", port: 6379)),
            ("valkey://user:p@ss@cache:7000/1", .tcp(host: "cache", port: 7000)),
            ("unix:///run/valkey.sock?db=2", .unix(path: "/run/valkey.sock")),
        ] as [(String, LoadTarget.Address)]
    )
    func urls(_ url: String, _ address: LoadTarget.Address) throws {
        #expect(try LoadTarget(url: url).address == address)
    }

    @Test
    func `A connection begins with what the URL asks for`() throws {
        #expect(try LoadTarget(url: "valkey://cache").greeting.isEmpty)
        #expect(try LoadTarget(url: "valkey://:secret@cache").greeting == [["AUTH", "secret"]])
        let target = try LoadTarget(url: "valkey://user:p@ss@cache/1")
        #expect(target.greeting == [["AUTH", "user", "p@ss"], ["SELECT", "1"]])
        #expect(target.name == "valkey://cache:6379")
        #expect(try LoadTarget(url: "unix:///run/v.sock?db=2").greeting == [["SELECT", "2"]])
    }

    @Test(
        arguments: [
            "cache:6379", "valkeys://cache", "valkey://cache:0", "valkey://cache:70000", "valkey://cache:x",
            "valkey://user@cache", "valkey://cache/x", "unix://run/v.sock", "unix:///v.sock?x=1",
        ]
    )
    func `Other URLs are refused`(_ url: String) {
        #expect(throws: LoadError.self) { try LoadTarget(url: url) }
    }
}
