/// Checks the rules of style that the formatter does not know.
struct Tidy {
    private let project: Project

    /// Checks a project.
    init(_ project: Project) {
        self.project = project
    }

    /// What breaks a rule: one line each, with file and line.
    func faults() throws -> [String] {
        []
    }
}
