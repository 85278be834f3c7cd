import JSON

/// Everything that `proto/` says, read and checked.
struct ContractFiles {
    /// Title, version and description of the whole.
    struct Information {
        let title: String
        let version: String
        let description: String
    }

    /// What the contract is called.
    let information: Information
    /// Schemas that methods share.
    let definitions: Definitions
    /// Errors that calls may end with.
    let errors: ErrorFile
    /// Every method, sorted by name.
    let methods: [MethodFile]

    /// Files of the directory that are not a method's.
    private static let others = ["info", "definitions", "errors", "schema"].map { "proto/\($0).json" }

    /// Reads the directory.
    ///
    /// - Throws: ``ProtoFaults`` with one fault for each file that has any.
    init(_ project: Project) throws {
        information = try Self.information(Self.parse("proto/info.json", project))
        let definitions = try Definitions(Self.parse(Definitions.file, project))
        let errors = try ErrorFile(Self.parse(ErrorFile.file, project))
        _ = try Self.parse("proto/schema.json", project)
        var methods: [MethodFile] = []
        var faults: [ProtoFault] = []
        for path in try project.files(below: "proto", suffix: "") where !Self.others.contains(path) {
            do throws(ProtoFault) {
                methods.append(try MethodFile(try Self.parse(path, project), definitions, errors))
            } catch {
                faults.append(error)
            }
        }
        if faults.isEmpty {
            for method in methods {
                for example in method.examples { try example.checkBefore(methods, definitions) }
            }
        }
        guard faults.isEmpty else { throw ProtoFaults(faults: faults) }
        self.definitions = definitions
        self.errors = errors
        self.methods = methods
    }

    private static func information(_ place: Place) throws(ProtoFault) -> Information {
        let members = try place.members(required: ["title", "version", "description"])
        guard
            let title = members["title"], let version = members["version"], let description = members["description"]
        else { throw place.fault("is not complete") }
        return Information(
            title: try title.string(),
            version: try version.string(),
            description: try description.sentence()
        )
    }

    private static func parse(_ path: String, _ project: Project) throws(ProtoFault) -> Place {
        do {
            guard let text = try project.text(of: path) else {
                throw ProtoFault(file: path, member: "", reason: "is missing")
            }
            return Place(file: path, member: "", document: try Document.parse(text))
        } catch {
            throw error as? ProtoFault ?? ProtoFault(file: path, member: "", reason: "\(error)")
        }
    }
}
