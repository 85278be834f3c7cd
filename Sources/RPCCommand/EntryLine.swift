import Bytes
import JSON
import RPCClient

/// One line of a file of cache entries: an entry as `cache.set` takes it, with its namespace.
///
/// `{"key":"k","namespace":"n","value":…,"ttl_ms":1000,"stale_ms":500,"tags":["t"]}`; `text` or `base64` may stand for
/// `value`, `ttl_ms` is null for an entry without end. A file that `rpc cache.dump FILE` writes has lines with a `cursor` too, which say how far it
/// came.
enum EntryLine {
    /// What a line is.
    enum Content {
        /// An entry: the namespace as written, the entry without it, and whether it is more than value and life.
        case entry(namespace: [UInt8]?, entry: [UInt8], hasMore: Bool)
        /// How far a dump came.
        case checkpoint(DumpCheckpoint)
    }

    /// Why a line is none.
    struct Fault: Error, Equatable {
        /// What is wrong, without the line's number.
        let reason: String
    }

    private static let values = ["value", "text", "base64"]

    /// Reads a line.
    ///
    /// - Throws: ``Fault``.
    static func read(_ line: [UInt8]) throws(Fault) -> Content {
        let object: JSONFragment
        do throws(JSONFault) {
            object = try JSONFragment(scanning: line)
        } catch {
            throw Fault(reason: "is not JSON: \(error)")
        }
        guard object.kind == .object else { throw Fault(reason: "is no object, which an entry is") }
        let members = object.members
        if let checkpoint = DumpCheckpoint(members) { return .checkpoint(checkpoint) }
        var namespace: [UInt8]?
        var hasMore = false
        var entry: [UInt8] = [UInt8(ascii: "{")]
        for (index, member) in members.enumerated() {
            guard !members[..<index].contains(where: { $0.name == member.name }) else {
                throw Fault(reason: "has the member \(member.name) twice")
            }
            switch member.name {
            case "namespace":
                guard member.value.kind == .string else { throw Fault(reason: "has a namespace that is no string") }
                namespace = [UInt8](member.value.bytes)
                continue
            case "key":
                guard member.value.kind == .string else { throw Fault(reason: "has a key that is no string") }
            case "value", "text", "base64", "ttl_ms": break
            case "stale_ms", "tags": hasMore = true
            default: throw Fault(reason: "has the member \(member.name), which entries do not have")
            }
            if entry.count > 1 { entry.append(UInt8(ascii: ",")) }
            entry += JSONFragment(string: member.name).bytes
            entry.append(UInt8(ascii: ":"))
            entry += member.value.bytes
        }
        guard members.contains(where: { $0.name == "key" }) else { throw Fault(reason: "has no key") }
        guard members.count(where: { values.contains($0.name) }) == 1 else {
            throw Fault(reason: "must have exactly one of value, text and base64")
        }
        entry.append(UInt8(ascii: "}"))
        return .entry(namespace: namespace, entry: entry, hasMore: hasMore)
    }

    /// The line of an entry that `cache.get` returned; nil where there was none, or it ends now.
    ///
    /// - Parameters:
    ///   - result: What `cache.get` answered, with `ttl_ms`, `stale_ms` and `tags`.
    ///   - key: The entry's key, as JSON.
    ///   - namespace: Its namespace, as JSON.
    /// - Returns: The line with its end.
    static func text(of result: JSONFragment, key: JSONFragment, namespace: JSONFragment?) -> [UInt8]? {
        let members = result.members
        guard let value = members.first(where: { values.contains($0.name) }),
            let life = members.first(where: { $0.name == "ttl_ms" })?.value
        else { return nil }
        let rest = members.filter { $0.name == "stale_ms" || $0.name == "tags" }
        let isOver = life.integer == 0
        guard !isOver || rest.contains(where: { $0.name == "stale_ms" }) else { return nil }
        var line = [UInt8]("{\"key\":".utf8) + key.bytes
        if let namespace { line += [UInt8](",\"namespace\":".utf8) + namespace.bytes }
        line += [UInt8](",\"\(value.name)\":".utf8) + value.value.bytes
        // A life that is over is the shortest that there is.
        line += [UInt8](",\"ttl_ms\":".utf8) + (isOver ? [UInt8(ascii: "1")] : [UInt8](life.bytes))
        for member in rest { line += [UInt8](",\"\(member.name)\":".utf8) + member.value.bytes }
        line += [UInt8]("}\n".utf8)
        return line
    }
}

/// How far a dump came: where it goes on, and what it is a dump of.
struct DumpCheckpoint: Equatable {
    /// Where `cache.keys` goes on; nil where nothing is left.
    let cursor: String?
    /// The namespace that is dumped.
    let namespace: String?
    /// The pattern of the keys that are dumped.
    let pattern: String?

    init(cursor: String?, namespace: String?, pattern: String?) {
        self.cursor = cursor
        self.namespace = namespace
        self.pattern = pattern
    }

    /// Reads the members of a line; nil where they are none of a checkpoint.
    init?(_ members: [(name: String, value: JSONFragment)]) {
        guard let cursor = members.first(where: { $0.name == "cursor" })?.value,
            !members.contains(where: { $0.name == "key" }), cursor.kind == .string || cursor.kind == .null
        else { return nil }
        self.cursor = cursor.string
        namespace = members.first { $0.name == "namespace" }?.value.string
        pattern = members.first { $0.name == "pattern" }?.value.string
    }

    /// The line.
    var line: [UInt8] {
        var text = "{\"cursor\":\(cursor.map { JSONFragment(string: $0).text } ?? "null")"
        if let namespace { text += ",\"namespace\":\(JSONFragment(string: namespace).text)" }
        if let pattern { text += ",\"pattern\":\(JSONFragment(string: pattern).text)" }
        return [UInt8]("\(text)}\n".utf8)
    }
}

/// Whether the dumps in a file are complete, as far as their checkpoints tell.
struct DumpCompleteness {
    /// Where a dump begins.
    static let beginning = "0"

    private var last: DumpCheckpoint?
    private var hasCut = false

    /// Takes the next checkpoint of the file.
    mutating func take(_ checkpoint: DumpCheckpoint) {
        // Dumps may stand behind each other: an earlier one is over where the next begins.
        if checkpoint.cursor == Self.beginning, last?.cursor != nil { hasCut = true }
        last = checkpoint
    }

    /// Whether a dump ends before its last page.
    ///
    /// One without checkpoints, as of standard output, does not tell.
    var isCut: Bool { hasCut || last?.cursor != nil }
}
