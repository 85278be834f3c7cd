/// Checks the rules of style that the formatter does not know.
struct Tidy {
    /// Most lines of a file that is not generated.
    static let fileLinesMax = 500
    /// Most lines of a function, its signature and its last brace included.
    static let functionLinesMax = 70
    /// What `scripts/fuzz` compiles by itself, apart from the package.
    static let fuzzing = "Tests/Fuzzing/"

    private let project: Project

    /// Checks a project.
    init(_ project: Project) {
        self.project = project
    }

    /// What breaks a rule: one line each, with file and, where there is one, line.
    func faults() throws -> [String] {
        let manifest = Manifest(try project.text(of: Manifest.file) ?? "")
        var faults = manifest.faults()
        for directory in ["Sources", "Tests"] {
            for path in try project.files(below: directory, suffix: ".swift") {
                let source = SwiftSource(path: path, text: try project.text(of: path) ?? "")
                let isGenerated = path.contains("/Generated/")
                faults += source.undocumentedDeclarations() + source.unfinishedWork()
                if !path.hasPrefix(Tidy.fuzzing) { faults += source.foreignImports(manifest) }
                if !isGenerated { faults += source.tooLong() + source.longFunctions() }
                if directory == "Sources" { faults += source.missingMainType() }
            }
        }
        return faults
    }
}

extension SwiftSource {
    /// The file, where it is longer than a file may be.
    fileprivate func tooLong() -> [String] {
        let count = lines.last == "" ? lines.count - 1 : lines.count
        return count > Tidy.fileLinesMax ? ["\(path): has \(count) lines, \(Tidy.fileLinesMax) are allowed"] : []
    }

    /// Notes about work that is left to do.
    fileprivate func unfinishedWork() -> [String] {
        let notes = ["TO" + "DO", "FIX" + "ME"]
        return lines.indices.filter { index in notes.contains { lines[index].contains($0) } }
            .map { fault($0, "leaves work to do") }
    }

    /// Declarations that other targets see, without a documentation comment.
    fileprivate func undocumentedDeclarations() -> [String] {
        var faults: [String] = []
        for index in lines.indices {
            let words = words(ofLine: index)
            guard let access = words.first, ["package", "public", "open"].contains(access), words.count > 1,
                words[1] != "import"
            else { continue }
            var above = index - 1
            while above >= 0, lines[above].drop(while: { $0 == " " }).hasPrefix("@") { above -= 1 }
            let isDocumented = above >= 0 && lines[above].drop { $0 == " " }.hasPrefix("///")
            if !isDocumented { faults.append(fault(index, "has no documentation comment")) }
        }
        return faults
    }

    /// Imports of what the target does not depend on.
    fileprivate func foreignImports(_ manifest: Manifest) -> [String] {
        guard let target = manifest.targets.first(where: { $0.name == target }) else {
            return ["\(path): belongs to no target of \(Manifest.file)"]
        }
        var allowed = target.dependencies + ["Glibc", "Synchronization"]
        if path.hasPrefix("Tests/") { allowed.append("Testing") }
        var faults: [String] = []
        for index in lines.indices {
            let words = words(ofLine: index)
            let isImport = words.first == "import" || words.count > 1 && words[1] == "import"
            guard isImport, let module = words.last, !allowed.contains(String(module)) else { continue }
            faults.append(fault(index, "imports \(module), which \(target.name) does not depend on"))
        }
        return faults
    }

    /// The file, where it does not have the type that it is named after.
    fileprivate func missingMainType() -> [String] {
        guard name != "main" else { return [] }
        let type = name.prefix { $0 != "+" }
        var kinds: Set<Substring> = ["struct", "enum", "class", "actor", "protocol", "typealias"]
        if type != name { kinds.insert("extension") }
        for index in lines.indices {
            let words = words(ofLine: index)
            guard let position = words.firstIndex(where: kinds.contains), position + 1 < words.count else { continue }
            let declared = words[position + 1].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            if declared == type { return [] }
        }
        return ["\(path): does not have the type \(type)"]
    }
}
