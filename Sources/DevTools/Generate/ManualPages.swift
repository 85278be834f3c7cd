import Configuration
import JSON
import RPCUsage

/// Makes the manual pages: `rpc(1)`, `squire.json(5)` and `squired(8)`.
struct ManualPages {
    /// Directory of the pages.
    static let directory = "docs/man"

    private let contract: ContractFiles

    /// Makes them for a contract.
    init(_ contract: ContractFiles) {
        self.contract = contract
    }

    /// Path and text of every page.
    var files: [(path: String, text: String)] {
        [("rpc.1", command), ("squire.json.5", configuration), ("squired.8", daemon)].map {
            ("\(Self.directory)/\($0)", $1)
        }
    }

    private var version: String { contract.information.version }

    private static let sockets =
        "Without it the socket is `/run/squire/squire.sock` for root, else `squire/squire.sock` in "
        + "`$XDG_RUNTIME_DIR`, else `/tmp/squire-<uid>/squire.sock`"

    private var command: String {
        var page = ManualPage("rpc", section: 1, version: version, summary: CommandUsage.summary)
        page.section("synopsis")
        page.usage("rpc \(CommandUsage.callUsage)")
        for command in Subcommand.allCases { page.usage("rpc \(command.usage)") }
        page.section("description")
        page.paragraph(
            "`rpc` calls a method of the Squire agent that runs on this host, over its Unix socket, and prints the "
                + "result: indented on a terminal, one line in a pipe. Subscriptions print a line for each message until "
                + "`--count`, `--for` or their end."
        )
        for note in CommandUsage.notes { page.paragraph(note) }
        page.section("commands")
        for command in Subcommand.allCases { page.definition("rpc \(command.usage)", Self.sentence(command.summary)) }
        page.section("parameters")
        for (form, meaning) in CommandUsage.parameters { page.definition(form, Self.sentence(meaning)) }
        page.section("options")
        for option in CommandOption.allCases { page.definition(option.usage, Self.sentence(option.summary)) }
        page.section("methods")
        page.paragraph("`rpc METHOD --help` says more of each.")
        for method in contract.methods { page.definition(method.name, method.summary) }
        page.section("exit status")
        for status in ExitStatus.allCases { page.definition("\(status.rawValue)", status.meaning) }
        page.paragraph(
            "Where `lock.exec` or `leader.exec` ran its command, the status is the command's, or 128 and the number of the "
                + "signal that ended it."
        )
        page.section("environment")
        page.definition(
            "SQUIRE_SOCKET",
            "Path of the agent's socket. \(Self.sockets); then that of the host's own agent."
        )
        page.paragraph("A command that `--exec` runs finds in its own environment what the message says of itself:")
        for (_, variable, meaning) in CommandUsage.messageVariables {
            page.definition(variable, Self.sentence(meaning))
        }
        page.paragraph("One that `lock.exec` or `leader.exec` runs finds there:")
        page.definition(CommandUsage.fenceVariable, "The fence of the lock, or the term of the lead.")
        page.section("examples")
        page.example(CommandUsage.examples)
        page.paragraph("Completion of command lines, for bash:")
        page.example(["rpc completion bash > ~/.local/share/bash-completion/completions/rpc"])
        page.seeAlso([("squired", 8), ("squire.json", 5)])
        return page.text
    }

    private var configuration: String {
        var page = ManualPage("squire.json", section: 5, version: version, summary: "configuration of the Squire agent")
        page.section("description")
        page.paragraph(
            "`squired` needs no configuration. What is to be different stands in one JSON file, in environment variables "
                + "or in flags; flags beat variables, variables beat the file, the file beats the defaults. A dot in a "
                + "name below stands for a level of the file: `limits.depth_max` is `{\"limits\": {\"depth_max\": 64}}`. "
                + "`null` is taken where the default is told in words, and means that there is no value, and for lives, where it "
                + "means that there is no end; every other option refuses it."
        )
        page.paragraph(
            "`squired --check-config` says what is wrong, one line for each fault; unknown members are faults. "
                + "`squired --print-config` shows every option, its value and where that comes from. On SIGHUP the file is "
                + "read again; a faulty one changes nothing, and the log names what waits for a restart (`needs_restart`)."
        )
        page.section("options")
        var section = ""
        for option in Option.all {
            let name = String(option.name.prefix { $0 != "." })
            if heading(name) != section { page.part(heading(name)) }
            section = heading(name)
            page.definition(option.name, describe(option))
            // What any namespace may have of its own stands behind the lives of those that are known by name.
            guard name == "namespaces",
                option.name == Option.all.last(where: { $0.name.hasPrefix("namespaces.") })?.name
            else { continue }
            for own in Option.all(ofNamespace: "<name>") { page.definition(own.name, describe(own)) }
        }
        page.section("environment")
        page.paragraph(
            "Every option has a variable: `SQUIRE_` and its name in capitals with `_` for each dot, such as "
                + "`SQUIRE_LIMITS_DEPTH_MAX`. Of namespaces only the four lives have one that are listed above by name; all "
                + "else is in the file alone, and any other variable that begins with `SQUIRE_NAMESPACES_` is a fault. An "
                + "empty variable is none. A list is given "
                + "\(ConfigurationPage.lists(separator: " ")). Others that are read:"
        )
        page.definition(
            "\(ServerVariables.host), \(ServerVariables.port)",
            "Host and port of `valkey.cache_url` and `valkey.state_url`, where neither is given."
        )
        for option in Option.all {
            for variable in option.variables.dropFirst() {
                page.definition(variable.name, "Sets `\(option.name)`\(variable.isInSeconds ? ", in seconds" : "").")
            }
        }
        page.section("files")
        page.definition("/etc/squire/squire.json", "The configuration of the host's own agent.")
        page.definition("~/.config/squire/squire.json", "That of an agent which a user starts.")
        page.seeAlso([("squired", 8), ("rpc", 1)])
        return page.text
    }

    private func heading(_ name: String) -> String {
        Section.all.first { $0.name == name }.map { String($0.summary.dropLast()) } ?? "On the first level of the file"
    }

    private func describe(_ option: Option) -> String {
        let value = option.defaultRule ?? "`\(option.defaultValue.text(style: .compact))`"
        return "\(option.summary) It must be \(option.expectation); the default is \(value). \(adoption(of: option))"
    }

    private func adoption(of option: Option) -> String {
        switch option.adoption {
        case .reload: "SIGHUP takes another value up."
        case .reloadOfSameServer: "SIGHUP takes another value up, unless the URL of a store is another one too."
        case .restart: "Another value needs a restart."
        }
    }

    private var daemon: String {
        var page = ManualPage("squired", section: 8, version: version, summary: "sidecar agent for Valkey")
        page.section("synopsis")
        page.usage("squired [options]")
        page.section("description")
        page.paragraph(
            "`squired` serves every program of its host with what Valkey is good for (a cache, sessions, messages) as "
                + "calls of JSON-RPC 2.0 over a local Unix socket, and keeps the connections to Valkey. Without any option "
                + "it starts Valkey servers of its own, which end with it."
        )
        page.section("options")
        for flag in Flag.allCases { page.definition(flag.usage, flag.summary) }
        page.paragraph(
            "URLs are `valkey://[user[:password]@]host[:port][/db]`, `valkeys://…` for TLS, or `unix:///path[?db=N]`. Every "
                + "user of the host sees command lines: a password belongs into a file that `valkey.password_file` names."
        )
        page.section("signals")
        page.definition(
            "SIGTERM, SIGINT",
            "Ends in order: running calls are answered first. A second SIGINT ends at once."
        )
        page.definition(
            "SIGHUP",
            "Reads the configuration, keys and certificates again; faulty ones change nothing. `squire.json(5)` says of each "
                + "option whether it is taken up, and the log what waits for a restart."
        )
        page.section("exit status")
        page.definition("0", "It ended as it was told to.")
        page.definition("64", "The command line makes no sense.")
        page.definition("69", "Something it needs is not there, such as a server program or its socket's path.")
        page.definition("78", "The configuration has faults, which are on standard error.")
        page.section("files")
        page.definition("/etc/squire/squire.json", "The configuration, where it exists: see `squire.json(5)`.")
        page.definition("/run/squire/squire.sock", "The socket of the host's own agent.")
        page.definition("/var/lib/squire", "What is kept over restarts: the data of its own servers, and keys.")
        page.section("environment")
        page.paragraph("Options of the configuration have variables: see `squire.json(5)`. Beside them:")
        page.definition("SQUIRE_SOCKET", "Path of the socket. \(Self.sockets).")
        page.definition(
            "CREDENTIALS_DIRECTORY",
            "Directory of a unit's credentials, of which `valkey-password`, `audit-key` and those whose names begin with "
                + "`session-key` are read."
        )
        page.seeAlso([("rpc", 1), ("squire.json", 5), ("systemd.exec", 5)])
        return page.text
    }

    /// Words of a table as a sentence.
    private static func sentence(_ words: String) -> String {
        "\(words.prefix(1).uppercased())\(words.dropFirst())."
    }
}
