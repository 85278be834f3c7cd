import JSON
import RPCClient
import RPCUsage

/// The params of one call, put together from JSON texts without printing any of them anew.
struct CallParams {
    private static let metaName = "_meta"
    private static let deadlineName = "deadline_ms"

    private let base: JSONFragment?
    private var members: [(name: String, value: JSONFragment)] = []

    /// Begins with what `--params` gave.
    ///
    /// - Throws: ``CommandError`` `.usage` where it is neither an object nor an array.
    init(base: JSONFragment?) throws(CommandError) {
        guard base == nil || base?.kind == .object || base?.kind == .array else {
            throw .usage("--params is a JSON object, or an array of values in the order of the method")
        }
        self.base = base
    }

    /// Names of the parameters given so far.
    var names: [String] { (base?.members.map(\.name) ?? []) + members.map(\.name) }

    /// The value of the parameter called `name`; nil where it is not given by name.
    func value(_ name: String) -> JSONFragment? {
        members.last { $0.name == name }?.value ?? base?[name]
    }

    /// The value of the parameter called `name`, whose place in an array is `index`; nil where it is not given.
    func value(_ name: String, at index: Int?) -> JSONFragment? {
        guard isByPosition else { return value(name) }
        guard let index, let values = base?.elements, values.indices.contains(index) else { return nil }
        return values[index]
    }

    /// Whether the values are given by position, in an array.
    var isByPosition: Bool { base?.kind == .array }

    /// Adds a parameter.
    ///
    /// - Throws: ``CommandError`` `.usage` where the name is taken, or the values are given by position.
    mutating func add(_ name: String, _ value: JSONFragment) throws(CommandError) {
        guard !isByPosition else {
            throw .usage("--params with an array and name=value do not go together")
        }
        guard !names.contains(name) else {
            throw .usage("\(name) is given twice", "Several values are written as one JSON array.")
        }
        members.append((name, value))
    }

    /// The value of a parameter, nil where it is not given by name.
    subscript(name: String) -> JSONFragment? {
        members.first { $0.name == name }?.value ?? base?[name]
    }

    /// Gives a parameter that is not given, unless the values are given by position.
    mutating func addDefault(_ name: String, _ value: Int64) {
        guard !isByPosition, !names.contains(name) else { return }
        members.append((name, JSONFragment(integer: value)))
    }

    /// Says in `_meta` how long the call may take; what the user wrote there about it stays.
    ///
    /// Values by position have no place for it: there only the client watches the time.
    mutating func bound(milliseconds: Int64) {
        let value = "\"\(Self.deadlineName)\":\(milliseconds)"
        if let index = members.firstIndex(where: { $0.name == Self.metaName }) {
            members[index].value = Self.adding(value, to: members[index].value)
        } else if !isByPosition, base?[Self.metaName] == nil, let meta = JSONFragment("{\(value)}") {
            members.append((Self.metaName, meta))
        }
    }

    /// The text to send; nil where there are no params.
    var text: JSONFragment? {
        guard !members.isEmpty else { return base }
        var bytes = base.map { [UInt8]($0.bytes.dropLast()) } ?? [UInt8(ascii: "{")]
        var isFirst = base?.members.isEmpty ?? true
        for (name, value) in members {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            bytes += JSONFragment(string: name).bytes
            bytes.append(UInt8(ascii: ":"))
            bytes += value.bytes
        }
        bytes.append(UInt8(ascii: "}"))
        return JSONFragment(bytes)
    }

    /// Time that the call itself may wait by its own parameters, such as `wait_ms`.
    var ownWait: Duration {
        let all = (base?.members ?? []) + members
        let waits = all.filter { $0.name.hasSuffix("wait_ms") }.compactMap(\.value.integer)
        return .milliseconds(waits.reduce(0) { $0 + min(max($1, 0), 1 << 40) })
    }

    private static func adding(_ member: String, to object: JSONFragment) -> JSONFragment {
        guard object.kind == .object, object[deadlineName] == nil else { return object }
        let comma = object.members.isEmpty ? "" : ","
        return JSONFragment([UInt8]("{\(member)\(comma)".utf8) + object.bytes.dropFirst()) ?? object
    }
}
