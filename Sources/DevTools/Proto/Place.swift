import JSON

/// A value in a file of `proto/`, which knows where it stands, so that every fault can say so.
struct Place {
    /// Path of the file.
    let file: String
    /// How the value is reached, such as `params[2].schema`; empty for the whole file.
    let member: String
    /// The value.
    let document: Document

    /// Records that something is wrong with this value.
    func fault(_ reason: String) -> ProtoFault {
        ProtoFault(file: file, member: member, reason: reason)
    }

    /// The text of a string.
    func string() throws(ProtoFault) -> String {
        guard let string = document.string else { throw fault("must be a string") }
        return string
    }

    /// A string that ends with a full stop.
    func sentence() throws(ProtoFault) -> String {
        let text = try string()
        guard text.hasSuffix(".") else { throw fault("must end with a full stop") }
        return text
    }

    /// A truth value.
    func boolean() throws(ProtoFault) -> Bool {
        guard let boolean = document.boolean else { throw fault("must be true or false") }
        return boolean
    }

    /// An integer.
    func integer() throws(ProtoFault) -> Int64 {
        guard let integer = document.integer else { throw fault("must be an integer") }
        return integer
    }

    /// The elements of an array.
    func elements() throws(ProtoFault) -> [Place] {
        guard let array = document.array else { throw fault("must be an array") }
        return array.enumerated().map { Place(file: file, member: "\(member)[\($0.offset)]", document: $0.element) }
    }

    /// The strings of an array that has no string twice.
    func names() throws(ProtoFault) -> [String] {
        var names: [String] = []
        for element in try elements() {
            let name = try element.string()
            guard !names.contains(name) else { throw element.fault("stands there twice") }
            names.append(name)
        }
        return names
    }

    /// Every member of an object, whatever its name.
    func allMembers() throws(ProtoFault) -> [(name: String, place: Place)] {
        guard let object = document.object else { throw fault("must be an object") }
        return object.map { ($0.name, child($0.name, $0.value)) }
    }

    /// The members of an object that has those that it must have and none that is unknown.
    func members(required: [String], optional: [String] = []) throws(ProtoFault) -> [String: Place] {
        var members: [String: Place] = [:]
        for (name, place) in try allMembers() {
            guard required.contains(name) || optional.contains(name) else { throw place.fault("is not known here") }
            members[name] = place
        }
        for name in required where members[name] == nil { throw fault("\(name) is missing") }
        return members
    }

    private func child(_ name: String, _ value: Document) -> Place {
        Place(file: file, member: member.isEmpty ? name : "\(member).\(name)", document: value)
    }
}
