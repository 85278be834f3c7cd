import Glibc

/// What the development tools can be asked to do.
enum Command: String, CaseIterable {
    /// Writes the code and the reference that are made of `proto/` and of the table of options.
    case generate
    /// Checks that what `generate` would write is what is there.
    case verify
    /// Checks the rules of style that the formatter does not know.
    case tidy

    /// Runs the command that `arguments` name, in the directory of the package.
    ///
    /// - Returns: The exit status: 0 when all is well, 1 when faults were found, 3 when the arguments make no sense.
    static func run(_ arguments: ArraySlice<String>) -> Int32 {
        guard arguments.count == 1, let command = arguments.first.flatMap(Command.init(rawValue:)) else {
            complain("usage: swift run DevTools \(allCases.map(\.rawValue).joined(separator: "|"))")
            return 3
        }
        do {
            let faults = try command.faults(in: try Project())
            for fault in faults { complain(fault) }
            return faults.isEmpty ? 0 : 1
        } catch {
            complain("\(error)")
            return 1
        }
    }

    private func faults(in project: Project) throws -> [String] {
        switch self {
        case .generate:
            try Generator(project).write()
            return []
        case .verify:
            return try Generator(project).staleFiles()
        case .tidy:
            return try Tidy(project).faults()
        }
    }

    private static func complain(_ line: String) {
        let bytes = [UInt8]((line + "\n").utf8)
        _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
