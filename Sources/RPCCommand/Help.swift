import RPCUsage

/// What `rpc --help` prints.
enum Help {
    /// What `rpc --help` prints.
    static var text: String {
        let commands = Subcommand.allCases.map { ["rpc \($0.usage)", $0.summary] }
        let options = CommandOption.allCases.map { [$0.usage, $0.summary] }
        let statuses = ExitStatus.allCases.map { "\($0.rawValue) \($0.summary)" }
        let half = (statuses.count + 1) / 2
        let statusRows = statuses.indices.prefix(half).map {
            Array(
                statuses[$0...].enumerated()
                    .filter { $0.offset % half == 0 }.map(\.element)
            )
        }
        return """
            rpc \(CommandUsage.summary).

            Usage:
              rpc \(CommandUsage.callUsage)
            \(TextLayout.columns(commands, indent: 2))
            Examples:
            \(CommandUsage.examples.map { "  \($0)\n" }.joined())
            Parameters:
            \(TextLayout.definitions(CommandUsage.parameters.map { ($0.form, $0.meaning) }, indent: 2))
            Calls:
            \(CommandUsage.notes.map { TextLayout.wrapped($0, indent: 2) }.joined())
            Options:
            \(TextLayout.columns(options, indent: 2))
            Exit status:
            \(TextLayout.columns(statusRows, indent: 2))
            """
    }
}
