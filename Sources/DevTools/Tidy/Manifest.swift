/// The targets of `Package.swift`, read from its text: it is written in one style.
struct Manifest {
    /// One Swift target.
    struct Target {
        /// Its name, which is that of its directory.
        let name: String
        /// Targets and C libraries that it may import.
        let dependencies: [String]
        /// First word of the comment that its section begins with, such as `Features`.
        let section: String
    }

    /// Path of the file.
    static let file = "Package.swift"

    /// Every Swift target, in the order of the file.
    private(set) var targets: [Target] = []
    /// Every C library.
    private(set) var libraries: [String] = []

    /// What a line with a target begins with: the manifest's own functions, and those of the package description.
    private static let beginnings = [
        "module(", "program(", "tests(", ".target(", ".executableTarget(", ".systemLibrary(",
    ]

    /// Reads the manifest's text.
    init(_ text: String) {
        var section = ""
        var call = ""
        for line in text.split(separator: "\n") {
            let line = line.drop { $0 == " " }
            if line.hasPrefix("// "), call.isEmpty {
                section = String(line.dropFirst(3).prefix { $0 != ":" && $0 != "." })
            }
            guard !call.isEmpty || Self.beginnings.contains(where: { line.hasPrefix($0) }) else { continue }
            call += line
            guard call.count(where: { $0 == "(" }) == call.count(where: { $0 == ")" }) else { continue }
            record(call, section)
            call = ""
        }
    }

    private mutating func record(_ call: String, _ section: String) {
        // Every other piece between quotes is a literal; behind a path come no names of targets.
        let paths = ["path:", "exclude:"].compactMap { call.firstRange(of: $0)?.lowerBound }
        let end = paths.min() ?? call.endIndex
        let pieces = call[..<end].split(separator: "\"", omittingEmptySubsequences: false)
        let names = pieces.indices.filter { $0 % 2 == 1 }.map { String(pieces[$0]) }
        guard let name = names.first else { return }
        if call.hasPrefix(".systemLibrary") {
            libraries.append(name)
        } else {
            targets.append(Target(name: name, dependencies: Array(names.dropFirst()), section: section))
        }
    }

    /// What breaks the layers: imports upwards, between features, and of C libraries by more than one target.
    func faults() -> [String] {
        var faults: [String] = []
        var known = libraries
        for target in targets {
            for dependency in target.dependencies where !known.contains(dependency) {
                faults.append("\(Self.file): \(target.name) depends on \(dependency), which does not stand above it")
            }
            known.append(target.name)
        }
        let features = targets.filter { $0.section == "Features" }
        for feature in features {
            for other in features where feature.dependencies.contains(other.name) {
                faults.append("\(Self.file): \(feature.name) depends on \(other.name), another feature")
            }
        }
        for library in libraries {
            let users = targets.filter { $0.dependencies.contains(library) }.map(\.name)
            if users.count > 1 {
                faults.append("\(Self.file): \(library) is imported by \(users.joined(separator: " and "))")
            }
        }
        return faults
    }
}
