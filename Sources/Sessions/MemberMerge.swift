import Bytes
import JSON

/// Changes top-level members of a JSON object without touching the text of the others: no digit of a number is lost.
enum MemberMerge {
    /// Appends `object` with some members replaced, added or taken out, on one line.
    ///
    /// Members keep their places; new ones follow in the order of `set`. Names are compared by what they mean, not by
    /// how they are written; of a name that `set` has twice, the last value counts.
    ///
    /// - Parameters:
    ///   - object: A scanned object.
    ///   - set: A scanned object of the members to replace or add, or nil.
    ///   - remove: Names to take out; they win over `set`.
    ///   - output: Receives the new object.
    /// - Complexity: O(n) in the texts' lengths.
    static func append(_ object: JSONValue, set: JSONValue?, remove: [[UInt8]], to output: inout ByteBuffer) {
        var values: [[UInt8]: (name: JSONString, value: JSONValue)] = [:]
        var order: [[UInt8]] = []
        if var members = set?.members() {
            while let member = members.next() {
                let name = meaning(of: member.name)
                if values.updateValue(member, forKey: name) == nil { order.append(name) }
            }
        }
        var done = Set(remove)
        var isFirst = true
        output.append(UInt8(ascii: "{"))
        var members = object.members()
        while let member = members.next() {
            let name = meaning(of: member.name)
            if done.contains(name) { continue }
            if let replacement = values[name] {
                done.insert(name)
                append(replacement.name, replacement.value, &isFirst, to: &output)
            } else {
                append(member.name, member.value, &isFirst, to: &output)
            }
        }
        for name in order where !done.contains(name) {
            if let member = values[name] { append(member.name, member.value, &isFirst, to: &output) }
        }
        output.append(UInt8(ascii: "}"))
    }

    /// What a name means, as UTF-8; as it is written, where an escape in it is half of a surrogate pair.
    static func meaning(of name: JSONString) -> [UInt8] {
        guard name.hasEscapes else { return name.raw.copy() }
        var buffer = ByteBuffer()
        guard (try? name.append(to: &buffer)) != nil else { return name.raw.copy() }
        return buffer.view.copy()
    }

    private static func append(
        _ name: JSONString,
        _ value: JSONValue,
        _ isFirst: inout Bool,
        to output: inout ByteBuffer
    ) {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        isFirst = false
        output.append(UInt8(ascii: "\""))
        output.append(name.raw)
        output.append("\":")
        output.append(jsonText: value.text)
    }
}
