import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
public import Store
import Valkey

extension Responses {
    /// Answers `response.invalidate`: one round trip.
    ///
    /// - Throws: ``RPCError`` where a parameter is not usable.
    public func invalidate(_ parameters: ResponseInvalidateParameters, _ context: CallContext) throws(RPCError) {
        if let fingerprint = parameters.fingerprint { return try invalidate(fingerprint, context) }
        var names: [[UInt8]] = []
        if let model = parameters.model {
            names.append(keyspace.stem(.responseModel, nil) + (try keyspace.resolve(model, parameter: "model").copy()))
        }
        if let scope = parameters.scope {
            names.append(keyspace.stem(.responseScope, nil) + (try keyspace.resolve(scope, parameter: "scope").copy()))
        }
        let untagged = names.count
        if let tags = parameters.tags {
            for tag in tags { names.append(generationName(ofTag: try keyspace.resolve(tag, parameter: "tags").copy())) }
        }
        let all = names
        calls.answer(context.call) { () async throws(RPCError) in
            // A generation that is not there is nobody's: the next response makes a new one.
            _ = try await self.callAll(all.count, .idempotentWrite, context.deadline, lane: context.lane) {
                index,
                command in
                guard index < untagged else {
                    command.append(callOf: ResponseScripts.invalidateTag, keys: 1, arguments: 2)
                    all[index].withByteView { command.append(word: $0) }
                    Array(Hexadecimal.random(words: 1).prefix(2)).withByteView { command.append(word: $0) }
                    return command.append(word: TagInvalidation.memoryMilliseconds)
                }
                command.append("*2\r\n$6\r\nUNLINK\r\n")
                all[index].withByteView { command.append(word: $0) }
            }
            for flight in self.flights.values { flight.tellNews() }
            return Array("{}".utf8)
        }
    }

    private func invalidate(_ text: JSONString, _ context: CallContext) throws(RPCError) {
        let fingerprint = try keyspace.resolve(text, parameter: "fingerprint").copy()
        guard fingerprint.count == RequestIdentity.fingerprintCount, Hexadecimal.isDigits(fingerprint) else {
            throw .invalidParams(
                "fingerprint must be one that response.get or response.put returned",
                parameter: "fingerprint"
            )
        }
        let name = name(fingerprint)
        calls.answer(context.call) { () async throws(RPCError) in
            let replies = try await self.callAll(1, .idempotentWrite, context.deadline, lane: context.lane) {
                _,
                command in
                command.append(callOf: ResponseScripts.invalidate, keys: 1, arguments: 1)
                name.withByteView { command.append(word: $0) }
                name.withByteView { command.append(word: $0) }
            }
            self.flights[fingerprint]?.tellNews()
            return Array("{\"invalidated\":\(replies[0].integer ?? 0)}".utf8)
        }
    }

    /// Answers `response.stats`, without asking Valkey.
    ///
    /// - Throws: ``RPCError`` where a name is not usable.
    public func stats(_ parameters: ResponseStatsParameters, _ context: CallContext) throws(RPCError) {
        let model = try parameters.model.map { (text) throws(RPCError) in
            try keyspace.resolve(text, parameter: "model").copy()
        }
        let scope = try parameters.scope.map { (text) throws(RPCError) in
            try keyspace.resolve(text, parameter: "scope").copy()
        }
        let row = savings.sum(model: model, scope: scope)
        let isComplete = !savings.hasOverflown || model == nil && scope == nil
        calls.reply(context.call) { result in
            result.append("{\"hits\":")
            result.append(decimal: row.hits)
            result.append(",\"misses\":")
            result.append(decimal: row.misses)
            result.append(",\"tokens_saved\":")
            result.append(decimal: row.tokens)
            result.append(",\"cost_saved\":")
            Cost.append(row.cost, to: &result)
            result.append(isComplete ? "}" : ",\"complete\":false}")
        }
    }
}
