/// Makes code and reference of `proto/`, example, schema and reference of the configuration, manual pages and completions,
/// and tells whether what is there is current.
struct Generator {
    /// Directory of the code of the contract; nothing else is in it.
    static let sources = "Sources/Contract/Generated"
    /// Directory of the reference.
    static let reference = "docs/reference"

    private let project: Project
    /// Path and text of every file that is made.
    private let files: [(path: String, text: String)]

    /// Reads `proto/`, and makes every file in memory.
    init(_ project: Project) throws {
        self.project = project
        let contract = try ContractFiles(project)
        let document = OpenRPCDocument(contract)
        var sources = [
            ("Method", MethodSource(contract.methods).text),
            ("ErrorKind", ErrorKindSource(contract.errors).text),
            ("OpenRPC", try OpenRPCSource(document, contract.methods).wholeText()),
            ("OpenRPC+Methods", try OpenRPCSource(document, contract.methods).methodsText()),
        ]
        for method in contract.methods where !method.fields.parameters.isEmpty {
            let source = ParametersSource(method)
            sources.append((source.typeName, try source.text()))
        }
        let pages = ReferencePages(contract)
        let features = try project.text(of: RouterSource.features) ?? ""
        files =
            sources.map { ("\(Self.sources)/\($0).swift", $1) } + [
                (RouterSource.path, RouterSource(contract.methods, features: features).text),
                ("\(Self.reference)/methods.md", try pages.methods()),
                ("\(Self.reference)/errors.md", pages.errors()),
                ("\(Self.reference)/configuration.md", ConfigurationPage().text),
                (ConfigurationFiles.example, ConfigurationFiles().exampleText),
                (ConfigurationFiles.schema, ConfigurationFiles().schemaText),
            ] + ManualPages(contract).files + DaemonCompletions().files
    }

    /// Writes the files that changed and deletes generated code that belongs to nothing.
    func write() throws {
        for file in files { try project.write(file.text, to: file.path) }
        for path in try orphans() { try project.remove(path) }
    }

    /// Names the files that differ from what would be written, with what to do about it.
    func staleFiles() throws -> [String] {
        var faults: [String] = []
        for file in files where try project.text(of: file.path) != file.text {
            faults.append("\(file.path): is stale; run swift run DevTools generate")
        }
        for path in try orphans() {
            faults.append("\(path): is made of nothing; run swift run DevTools generate")
        }
        return faults
    }

    private func orphans() throws -> [String] {
        try project.files(below: Self.sources, suffix: "").filter { path in
            !files.contains { $0.path == path }
        }
    }
}
