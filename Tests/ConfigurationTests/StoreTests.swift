import Testing
import Valkey

@testable import Configuration

@Suite("The stores")
struct StoreTests {
    private static let (cache, state) = ("valkey.cache_url", "valkey.state_url")

    @Test("One URL serves both roles, two serve one each")
    func roles() async throws {
        let one = try await Loading.configuration(flags: ["--state", "valkey://s"])
        #expect(one.shown(Self.cache) == #""valkey://s" flag"#)
        #expect(one.shown(Self.state) == #""valkey://s" flag"#)
        let two = try await Loading.configuration(
            #"{"valkey": {"cache_url": "unix:///c?db=2"}}"#,
            variables: [
                "SQUIRE_VALKEY_STATE_URL": "redis://s:7000/1", "VALKEY_HOST": "ignored", "VALKEY_PORT": "tcp://x",
            ]
        )
        #expect(two.shown(Self.cache) == #""unix:///c?db=2" file"#)
        #expect(two.shown(Self.state) == #""redis://s:7000/1" environment"#)
        #expect(two.valkey.endpoints?.cache == Endpoint(address: .unix(path: "/c"), database: 2))
        #expect(two.valkey.endpoints?.state == Endpoint(address: .tcp(host: "s", port: 7000), database: 1))
    }

    @Test(
        "VALKEY_HOST and VALKEY_PORT name the server of both roles",
        arguments: [
            (["VALKEY_HOST": "valkey"], "valkey://valkey:6379"),
            (["VALKEY_PORT": "6380"], "valkey://localhost:6380"),
            (["VALKEY_HOST": "10.0.0.1", "VALKEY_PORT": "65535"], "valkey://10.0.0.1:65535"),
            (["VALKEY_HOST": "::1"], "valkey://[::1]:6379"),
            (["VALKEY_HOST": "[::1]", "VALKEY_PORT": "1"], "valkey://[::1]:1"),
        ]
    )
    func hostAndPort(_ variables: [String: String], _ url: String) async throws {
        let configuration = try await Loading.configuration(variables: variables)
        #expect(configuration.shown(Self.cache) == "\"\(url)\" environment")
        #expect(configuration.shown(Self.state) == "\"\(url)\" environment")
        #expect(configuration.valkey.endpoints?.cache == (try Endpoint(url: url)))
    }

    @Test(
        "VALKEY_HOST and VALKEY_PORT are checked",
        arguments: [
            ("VALKEY_PORT", "0"), ("VALKEY_PORT", "65536"), ("VALKEY_PORT", "tcp://10.0.0.1:6379"),
            ("VALKEY_HOST", "valkey://h"), ("VALKEY_HOST", "a b"), ("VALKEY_HOST", "user:pw@h"),
        ]
    )
    func badHostOrPort(_ variable: String, _ text: String) async throws {
        let what = variable == "VALKEY_PORT" ? "an integer from 1 to 65535" : "a host name or an IP address"
        #expect(try await Loading.faults(variables: [variable: text]) == ["\(variable) must be \(what)"])
    }

    @Test(
        "A URL that cannot be used is told in one line that repeats no password",
        arguments: [
            ("sentinel://h:1/p", "valkey.cache_url (--valkey): this version does not speak sentinel:// yet"),
            ("cluster://h:1", "valkey.cache_url (--valkey): this version does not speak cluster:// yet"),
            ("valkey://user:secret@h:0", "valkey.cache_url (--valkey): the port must be 1 to 65535"),
            (
                "valkey://u:secret@h\n",
                "valkey.cache_url (--valkey) must be a URL: "
                    + "valkey://[user[:password]@]host[:port][/db], valkeys://… for TLS, or unix:///path[?db=N]"
            ),
        ]
    )
    func badURL(_ url: String, _ fault: String) async throws {
        #expect(try await Loading.faults(flags: ["--valkey", url]) == [fault])
        let faults = try await Loading.faults(flags: ["--state=\(url)"])
        #expect(faults.count == 1)
        #expect(!faults.contains { $0.contains("secret") })
    }

    @Test(
        "A password is shown nowhere, and used all the same",
        arguments: [
            ("valkey://ada:secret@h:1/2", "valkey://ada:***@h:1/2"),
            ("valkey://:secret@h", "valkey://:***@h"),
            ("redis://ada:secret@x:y@h", "redis://ada:***@h"),
            ("unix://ada:secret@/run/a@b.sock", nil),
            ("unix:///run/a:b@c.sock", "unix:///run/a:b@c.sock"),
            ("valkey://h", "valkey://h"),
        ]
    )
    func masking(_ url: String, _ masked: String?) async throws {
        guard let masked else {
            let faults = try await Loading.faults(flags: ["--valkey", url])
            #expect(faults.count == 1)
            #expect(!faults.contains { $0.contains("secret") })
            return
        }
        let configuration = try await Loading.configuration(flags: ["--valkey", url])
        #expect(configuration.shown(Self.cache) == "\"\(masked)\" flag")
        #expect(configuration.valkey.endpoints?.cache == (try Endpoint(url: url)))
        #expect(!configuration.printedText.contains("secret"))
        #expect(configuration.printedText.contains(masked))
    }
}
