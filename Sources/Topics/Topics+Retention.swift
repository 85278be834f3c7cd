import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Topics {
    /// Answers `topic.inspect`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the topic is not usable.
    public func inspect(_ parameters: TopicInspectParameters, _ context: CallContext) throws(RPCError) {
        let topic = try TopicName(parameters.topic, keyspace)
        calls.answer(context.call) { () async throws(RPCError) in
            let reply = try await self.call(.read, context.deadline, lane: context.lane) { command in
                command.append(callOf: TopicScripts.inspect, keys: 1, arguments: 3)
                command.append(word: topic.stream(self.keyspace))
                command.append(word: topic.stem(.topicGroup, self.keyspace))
                command.append(word: topic.stem(.topicParked, self.keyspace))
                command.append(word: Int64(TopicScripts.agentGoneMilliseconds))
            }
            return Topics.description(reply.elements ?? [])
        }
    }

    /// The result of `topic.inspect` from a script's answer.
    private static func description(_ elements: [ReplyValue]) -> [UInt8] {
        var result = ByteBuffer()
        result.append("{\"length\":")
        result.append(decimal: elements.first?.integer ?? 0)
        result.append(",\"groups\":[")
        var isFirst = true
        for group in elements.dropFirst() {
            guard let members = group.elements, members.count == 4, let name = members[0].bytes else { continue }
            if !isFirst { result.append(UInt8(ascii: ",")) }
            isFirst = false
            result.append("{\"group\":")
            result.append(jsonString: String(decoding: name, as: UTF8.self))
            result.append(",\"pending\":")
            result.append(decimal: members[1].integer ?? 0)
            result.append(",\"lag\":")
            if let lag = members[2].integer { result.append(decimal: lag) } else { result.append("null") }
            result.append(",\"consumers\":")
            result.append(decimal: members[3].integer ?? 0)
            result.append(UInt8(ascii: "}"))
        }
        result.append("]}")
        return result.view.copy()
    }

    /// Answers `topic.trim`: removes entries in bounded steps, between which Valkey serves others.
    ///
    /// - Throws: ``RPCError`` where the topic is not usable.
    public func trim(_ parameters: TopicTrimParameters, _ context: CallContext) throws(RPCError) {
        let topic = try TopicName(parameters.topic, keyspace)
        let isByLength = parameters.lengthMax != nil
        let bound = parameters.lengthMax ?? parameters.ageMaxMilliseconds ?? 0
        let isForced = parameters.force
        calls.answer(context.call) { () async throws(RPCError) in
            var trimmed: Int64 = 0
            var isDone = false
            while !isDone {
                do throws(RPCError) {
                    let step = try await self.trim(topic, isByLength, bound, isForced, context)
                    trimmed += step
                    isDone = step == 0
                } catch {
                    var failure = error
                    failure.details.append(("done", String(trimmed)))
                    // Repeating it does no harm and is the way on.
                    failure.isRetryable = true
                    if trimmed > 0 { failure.outcome = .unknown }
                    throw failure
                }
            }
            return Array("{\"trimmed\":\(trimmed)}".utf8)
        }
    }

    private func trim(
        _ topic: TopicName,
        _ isByLength: Bool,
        _ bound: Int64,
        _ isForced: Bool,
        _ context: CallContext
    ) async throws(RPCError) -> Int64 {
        let reply = try await call(.write, context.deadline, lane: context.lane) { command in
            command.append(callOf: TopicScripts.trim, keys: 1, arguments: 5)
            command.append(word: topic.stream(keyspace))
            command.append(word: isByLength ? "length" : "age")
            command.append(word: bound)
            command.append(word: isForced ? "1" : "0")
            command.append(word: topic.stem(.topicGroup, keyspace))
            command.append(word: topic.wakeChannel(keyspace))
        }
        return reply.integer ?? 0
    }

    /// Answers `topic.delete_group`: one round trip.
    ///
    /// - Throws: ``RPCError`` where topic or group are not usable.
    public func deleteGroup(_ parameters: TopicDeleteGroupParameters, _ context: CallContext) throws(RPCError) {
        let topic = try TopicName(parameters.topic, keyspace)
        let group = try keyspace.resolve(parameters.group, parameter: "group").copy()
        let keys = GroupKeys(topic, group, keyspace)
        calls.answer(context.call) { () async throws(RPCError) in
            let reply = try await self.call(.write, context.deadline, lane: context.lane) { command in
                command.append(callOf: TopicScripts.deleteGroup, keys: 4, arguments: 2)
                for name in keys.names.prefix(4) { command.append(word: name) }
                command.append(word: group)
                command.append(word: Int64(TopicScripts.agentGoneMilliseconds))
            }
            return Array((reply.integer == 1 ? "{\"deleted\":true}" : "{\"deleted\":false}").utf8)
        }
    }
}
