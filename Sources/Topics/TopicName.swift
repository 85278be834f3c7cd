import Bytes
import JSON
import JSONRPC
import Store

/// A topic's name, and how its keys are called.
///
/// All keys of a topic lie in one slot, and so do those of its dead letters: what stands in braces is the name without
/// `.dead` at its end. So a name has no braces of its own.
struct TopicName: Hashable {
    /// What the name of a topic of dead letters ends with.
    static let deadSuffix = Array(".dead".utf8)

    /// The name as clients know it.
    let text: [UInt8]
    /// The name with its braces.
    let slotted: [UInt8]

    /// Takes a name that has no braces.
    init(_ text: [UInt8]) {
        self.text = text
        var base = text[...]
        while base.count > TopicName.deadSuffix.count,
            base.suffix(TopicName.deadSuffix.count) == TopicName.deadSuffix[...]
        {
            base = base.dropLast(TopicName.deadSuffix.count)
        }
        slotted = [UInt8(ascii: "{")] + base + [UInt8(ascii: "}")] + text[base.count...]
    }

    /// The name that a client gave.
    ///
    /// - Throws: ``RPCError`` `too_large` or `invalid_params`.
    init(_ string: JSONString, _ keyspace: Keyspace) throws(RPCError) {
        let text = try keyspace.resolve(string, parameter: "topic")
        guard text.firstIndex(of: UInt8(ascii: "{")) == nil, text.firstIndex(of: UInt8(ascii: "}")) == nil else {
            throw .invalidParams(
                "topic must not hold { or }: they would decide on its place in a cluster",
                parameter: "topic"
            )
        }
        self.init(text.copy())
    }

    /// The topic of its dead letters.
    var dead: TopicName { TopicName(text + TopicName.deadSuffix) }

    /// The stream's name in Valkey.
    func stream(_ keyspace: Keyspace) -> [UInt8] { slotted.withByteView { keyspace.name(.topic, nil, $0) } }

    /// The channel by which consumers are woken; one that clients can neither publish to nor subscribe to.
    func wakeChannel(_ keyspace: Keyspace) -> [UInt8] { keyspace.prefix + Array("__topic:".utf8) + slotted }

    /// What the names of a family's keys begin with, up to the group's name.
    func stem(_ family: KeyFamily, _ keyspace: Keyspace) -> [UInt8] {
        keyspace.stem(family, nil) + slotted + [UInt8(ascii: ":")]
    }
}

/// What a group is called in Valkey.
struct GroupKeys {
    /// The group's name.
    let group: [UInt8]
    /// The topic.
    let topic: TopicName
    /// Names of the keys that the scripts of groups take, in their order: stream, state, due, parked, dead.
    let names: [[UInt8]]
    /// The channel by which the group's consumers are woken.
    let wakeChannel: [UInt8]
    /// The channel by which those of its dead letters are woken.
    let deadWakeChannel: [UInt8]

    init(_ topic: TopicName, _ group: [UInt8], _ keyspace: Keyspace) {
        self.topic = topic
        self.group = group
        names =
            [topic.stream(keyspace)]
            + [KeyFamily.topicGroup, .topicDue, .topicParked].map { topic.stem($0, keyspace) + group }
            + [topic.dead.stream(keyspace)]
        wakeChannel = topic.wakeChannel(keyspace)
        deadWakeChannel = topic.dead.wakeChannel(keyspace)
    }
}
