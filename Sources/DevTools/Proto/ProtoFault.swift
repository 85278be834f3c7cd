/// What is wrong with a file of `proto/`, and where in it.
struct ProtoFault: Error, CustomStringConvertible {
    /// Path of the file.
    let file: String
    /// The member at fault, such as `params[2].schema.type`; empty for the file as a whole.
    let member: String
    /// What is wrong with it.
    let reason: String

    var description: String {
        member.isEmpty ? "\(file): \(reason)" : "\(file): \(member): \(reason)"
    }
}

/// Several faults, one a line.
struct ProtoFaults: Error, CustomStringConvertible {
    let faults: [ProtoFault]

    var description: String { faults.map(\.description).joined(separator: "\n") }
}
