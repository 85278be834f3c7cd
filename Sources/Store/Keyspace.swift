public import Bytes
import Contract
public import JSON
public import JSONRPC
import Valkey

/// What a key belongs to; the first word of its name in Valkey.
public enum KeyFamily: Sendable {
    /// Cache entries: `cache:<key>` and `cache@<namespace>:<key>`.
    case cache
    /// Hashes: `hash:<key>` and `hash@<namespace>:<key>`.
    case hash
    /// Generations of tags: `cache-tag:<tag>` and `cache-tag@<namespace>:<tag>`.
    case cacheTag
    /// Highest fences that entries were written with: `cache-fence:{<slot tag>}<name of the entry's key>`.
    case cacheFence
    /// Sessions, and what is left of those that ended: `session:{<tag>}<digest>`.
    case session
    /// Which sessions a subject has: `session-index:{<tag>}<digest>`.
    case sessionIndex
    /// Copies of sessions that could not be read: `session-aside:{<tag>}<digest>`.
    case sessionAside
    /// Topics, streams: `topic:{<topic>}`.
    case topic
    /// State of a topic's groups: `topic-group:{<topic>}:<group>`.
    case topicGroup
    /// When messages of a group may be delivered again: `topic-due:{<topic>}:<group>`.
    case topicDue
    /// Messages of a group that wait behind one of the same order key: `topic-parked:{<topic>}:<group>`.
    case topicParked
    /// Locks: who holds one, and its fence: `lock:{<name>}`.
    case lock
    /// Who waits for a lock: `lock-queue:{<name>}`.
    case lockQueue
    /// Semaphores: `semaphore:{<name>}`.
    case semaphore
    /// Who waits for a semaphore: `semaphore-queue:{<name>}`.
    case semaphoreQueue
    /// Elections: who leads, and the term: `leader:{<name>}`.
    case leader
    /// Who stands for an election: `leader-queue:{<name>}`.
    case leaderQueue
    /// Stored responses of language models: `response:<fingerprint>`.
    case response
    /// The generation of a model's responses: `response-model:<model>`.
    case responseModel
    /// The generation of a scope's responses: `response-scope:<scope>`.
    case responseScope
    /// The generation of the responses with a tag: `response-tag:<tag>`.
    case responseTag

    /// The word.
    public var word: StaticString {
        switch self {
        case .cache: "cache"
        case .hash: "hash"
        case .cacheTag: "cache-tag"
        case .cacheFence: "cache-fence"
        case .session: "session"
        case .sessionIndex: "session-index"
        case .sessionAside: "session-aside"
        case .topic: "topic"
        case .topicGroup: "topic-group"
        case .topicDue: "topic-due"
        case .topicParked: "topic-parked"
        case .lock: "lock"
        case .lockQueue: "lock-queue"
        case .semaphore: "semaphore"
        case .semaphoreQueue: "semaphore-queue"
        case .leader: "leader"
        case .leaderQueue: "leader-queue"
        case .response: "response"
        case .responseModel: "response-model"
        case .responseScope: "response-scope"
        case .responseTag: "response-tag"
        }
    }
}

/// How keys are named in Valkey: `<prefix><family>:<key>`, or `<prefix><family>@<namespace>:<key>`.
///
/// Names are written straight into commands. Touched on the event loop only.
public final class Keyspace {
    /// What precedes every name.
    public let prefix: [UInt8]
    /// Longest key in bytes, without prefix, family and namespace.
    public let keyBytesMax: Int
    private var scratch = ByteBuffer()

    /// Names keys behind `prefix`, which may be empty.
    public init(prefix: [UInt8], keyBytesMax: Int) {
        self.prefix = prefix
        self.keyBytesMax = keyBytesMax
    }

    /// The bytes that a key or field means.
    ///
    /// - Parameters:
    ///   - string: The parameter.
    ///   - parameter: Its name, for the error.
    /// - Returns: The bytes, lent until the next call of this method.
    /// - Throws: ``RPCError`` `too_large` or `invalid_params`.
    public func resolve(_ string: JSONString, parameter: String) throws(RPCError) -> ByteView {
        guard string.hasEscapes else {
            try check(string.raw.count, parameter)
            return string.raw
        }
        scratch.removeAll()
        do throws(JSONFault) {
            try string.append(to: &scratch)
        } catch {
            throw .invalidParams("\(parameter) must be text: it holds half of a surrogate pair", parameter: parameter)
        }
        try check(scratch.count, parameter)
        return scratch.view
    }

    private func check(_ count: Int, _ parameter: String) throws(RPCError) {
        guard count <= keyBytesMax else { throw .tooLarge("the \(parameter)", limitBytes: keyBytesMax) }
    }

    /// Appends a key's name as one word of a command.
    public func append(
        to buffer: inout ByteBuffer,
        _ family: KeyFamily,
        _ namespace: JSONString?,
        _ key: ByteView
    ) {
        let scope = namespace.map { $0.raw.count + 1 } ?? 0
        buffer.append(wordOf: prefix.count + family.word.utf8CodeUnitCount + scope + 1 + key.count)
        if !prefix.isEmpty { buffer.append(prefix) }
        buffer.append(family.word)
        if let namespace {
            buffer.append(UInt8(ascii: "@"))
            buffer.append(namespace.raw)
        }
        buffer.append(UInt8(ascii: ":"))
        buffer.append(key)
        buffer.append("\r\n")
    }

    /// Appends a key's name and nothing else.
    public func append(
        nameTo buffer: inout ByteBuffer,
        _ family: KeyFamily,
        _ namespace: JSONString?,
        _ key: ByteView
    ) {
        if !prefix.isEmpty { buffer.append(prefix) }
        buffer.append(family.word)
        if let namespace {
            buffer.append(UInt8(ascii: "@"))
            buffer.append(namespace.raw)
        }
        buffer.append(UInt8(ascii: ":"))
        buffer.append(key)
    }

    /// A key's name in Valkey.
    public func name(_ family: KeyFamily, _ namespace: JSONString?, _ key: ByteView) -> [UInt8] {
        stem(family, namespace?.raw.copy()) + key.copy()
    }

    /// What the names of a namespace's keys begin with.
    ///
    /// - Parameters:
    ///   - family: The family.
    ///   - namespace: The namespace's name; nil for the one without.
    ///   - count: Bytes for which there is to be room behind it.
    /// - Returns: The bytes up to and including the colon.
    public func stem(_ family: KeyFamily, _ namespace: [UInt8]?, reserving count: Int = 0) -> [UInt8] {
        var stem: [UInt8] = []
        let word = family.word.utf8CodeUnitCount
        stem.reserveCapacity(prefix.count + word + (namespace.map { $0.count + 1 } ?? 0) + 1 + count)
        stem += prefix
        family.word.withUTF8Buffer { unsafe stem.append(contentsOf: $0) }
        if let namespace {
            stem.append(UInt8(ascii: "@"))
            stem += namespace
        }
        stem.append(UInt8(ascii: ":"))
        return stem
    }

    /// What the names of another family's keys begin with in the namespace of a key.
    ///
    /// - Parameters:
    ///   - other: The other family.
    ///   - name: Full name of the key.
    ///   - family: The key's family.
    /// - Returns: The bytes up to and including the colon; nil where `name` is none of the family.
    public func stem(_ other: KeyFamily, besides name: ByteView, of family: KeyFamily) -> [UInt8]? {
        let start = prefix.count + family.word.utf8CodeUnitCount
        guard let colon = name.firstIndex(of: UInt8(ascii: ":"), from: start) else { return nil }
        return prefix + Array("\(other.word)".utf8) + name[start..<(colon + 1)].copy()
    }

    /// The name of the key that holds the highest fence that a key was written with; in the slot of that key.
    public func fenceName(of name: [UInt8]) -> [UInt8] {
        prefix + Array("\(KeyFamily.cacheFence.word):{".utf8) + SlotTag.of(name) + Array("}".utf8) + name
    }

    /// Whether `name` is that of a key of the family.
    ///
    /// Names of other programs may begin like it, with an `@` behind which no namespace follows.
    public func isName(_ name: [UInt8], of family: KeyFamily) -> Bool {
        let beginning = prefix + Array("\(family.word)".utf8)
        guard name.starts(with: beginning) else { return false }
        let rest = name.dropFirst(beginning.count)
        if rest.first == UInt8(ascii: ":") { return true }
        guard rest.first == UInt8(ascii: "@"), let colon = rest.firstIndex(of: UInt8(ascii: ":")) else { return false }
        let namespace = rest[..<colon].dropFirst()
        return (1...64).contains(namespace.count) && namespace.allSatisfy(Keyspace.isNamespaceCharacter)
    }

    private static func isNamespaceCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
            UInt8(ascii: "."), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// What the names of all of a family's keys begin with, as a glob: in every namespace.
    ///
    /// It also matches some names that are none of the family; ``isName(_:of:)`` tells them apart.
    public func glob(_ family: KeyFamily) -> [UInt8] {
        Glob.escaped(prefix + Array("\(family.word)".utf8)) + Array("[:@]*".utf8)
    }
}
