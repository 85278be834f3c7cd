import Glibc
import Linux
import RPCTestSupport
import Testing

@Suite("Default paths")
struct DefaultPathsTests {
    private static func paths(_ variables: [String: String], userID: UInt32 = 1000) -> DefaultPaths {
        DefaultPaths(environment: ProcessEnvironment(variables), userID: userID)
    }

    @Test("The socket follows SQUIRE_SOCKET, systemd, root, XDG and the temporary directory, in this order")
    func socket() {
        let systemd = "/run/user/7/squire"
        let all = ["SQUIRE_SOCKET": "/s", "RUNTIME_DIRECTORY": systemd, "XDG_RUNTIME_DIR": "/run/user/1000/"]
        #expect(Self.paths(all).socket == "/s")
        #expect(Self.paths(["RUNTIME_DIRECTORY": systemd], userID: 0).socket == "\(systemd)/squire.sock")
        #expect(Self.paths(["XDG_RUNTIME_DIR": "/x"], userID: 0).socket == "/run/squire/squire.sock")
        #expect(Self.paths(["XDG_RUNTIME_DIR": "/run/user/1000/"]).socket == "/run/user/1000/squire/squire.sock")
        #expect(Self.paths([:]).socket == "/tmp/squire-1000/squire.sock")
    }

    @Test("Directories of other units, relative paths and empty variables do not count")
    func ignored() {
        #expect(Self.paths(["RUNTIME_DIRECTORY": "/run/other"]).socket == "/tmp/squire-1000/squire.sock")
        #expect(Self.paths(["RUNTIME_DIRECTORY": "/run/other:/run/squire"]).socket == "/run/squire/squire.sock")
        #expect(Self.paths(["XDG_RUNTIME_DIR": "run", "SQUIRE_SOCKET": ""]).socket == "/tmp/squire-1000/squire.sock")
    }

    @Test("The state directory follows systemd, root, XDG and the home directory, in this order")
    func stateDirectory() {
        let home = ["XDG_STATE_HOME": "/state", "HOME": "/home/ada"]
        #expect(Self.paths(["STATE_DIRECTORY": "/var/lib/s:/x", "HOME": "/h"]).stateDirectory == "/var/lib/s")
        #expect(Self.paths(home, userID: 0).stateDirectory == "/var/lib/squire")
        #expect(Self.paths(home).stateDirectory == "/state/squire")
        #expect(Self.paths(["HOME": "/home/ada"]).stateDirectory == "/home/ada/.local/state/squire")
        #expect(Self.paths([:]).stateDirectory == nil)
    }

    @Test("The configuration file follows systemd, root, XDG and the home directory, in this order")
    func configurationFile() {
        let home = ["XDG_CONFIG_HOME": "/config", "HOME": "/home/ada"]
        let unit = ["CONFIGURATION_DIRECTORY": "/etc/s", "RUNTIME_DIRECTORY": "/run/squire", "HOME": "/h"]
        #expect(Self.paths(unit).configurationFile == "/etc/s/squire.json")
        #expect(Self.paths(["RUNTIME_DIRECTORY": "/run/squire"]).configurationFile == "/etc/squire/squire.json")
        #expect(Self.paths(home, userID: 0).configurationFile == "/etc/squire/squire.json")
        #expect(Self.paths(home).configurationFile == "/config/squire/squire.json")
        #expect(Self.paths(["HOME": "/home/ada"]).configurationFile == "/home/ada/.config/squire/squire.json")
        #expect(Self.paths([:]).configurationFile == nil)
    }

    @Test("Clients try their own agent before the host's, and only the named one where one is named")
    func clientSockets() {
        #expect(
            Self.paths(["XDG_RUNTIME_DIR": "/x"]).clientSockets == ["/x/squire/squire.sock", "/run/squire/squire.sock"]
        )
        #expect(Self.paths([:], userID: 0).clientSockets == ["/run/squire/squire.sock"])
        #expect(Self.paths(["SQUIRE_SOCKET": "/s"]).clientSockets == ["/s"])
    }

    @Test("A directory of somebody else in the temporary directory is foreign")
    func foreign() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/squire.sock"
            #expect(!Self.paths([:], userID: geteuid()).isForeign(path))
            #expect(Self.paths([:], userID: geteuid() + 1).isForeign(path))
            #expect(!Self.paths(["SQUIRE_SOCKET": path], userID: geteuid() + 1).isForeign(path))
            #expect(!Self.paths([:], userID: geteuid() + 1).isForeign("/run/squire/squire.sock"))
        }
    }
}
