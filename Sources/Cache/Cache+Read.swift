import Bytes
public import Contract
import JSON
public import JSONRPC
public import Store
import Valkey

extension Cache {
    /// Answers `cache.get`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func get(_ parameters: CacheGetParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        let namespace = parameters.namespace
        guard parameters.withTTL else {
            return send(.get, .read, context) { command in
                command.append("*2\r\n$3\r\nGET\r\n")
                keyspace.append(to: &command, .cache, namespace, key)
            }
        }
        // A transaction, so that life and value are those of one moment.
        send(.getWithLife, .read, context, replies: 4) { command in
            command.append("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nPTTL\r\n")
            keyspace.append(to: &command, .cache, namespace, key)
            command.append("*2\r\n$3\r\nGET\r\n")
            keyspace.append(to: &command, .cache, namespace, key)
            command.append("*1\r\n$4\r\nEXEC\r\n")
        }
    }

    func answerGet(_ call: CallID, _ reply: Reply) {
        guard reply.kind == .bulk else { return answerMiss(call) }
        counts.hits += 1
        calls.reply(call) { append(hit: reply.bytes, to: &$0) }
    }

    func answerGetWithLife(_ call: CallID, _ reply: Reply) {
        var elements = reply.elements()
        guard let life = elements.next(), let value = elements.next() else { return answerMiss(call) }
        if value.kind == .error { return calls.fail(call, RPCError(refusal: value, .read)) }
        guard value.kind == .bulk else { return answerMiss(call) }
        counts.hits += 1
        calls.reply(call) { result in
            append(hit: value.bytes, to: &result)
            result.truncate(to: result.count - 1)
            result.append(",\"ttl_ms\":")
            if life.integer >= 0 {
                result.append(decimal: life.integer)
            } else {
                result.append("null")
            }
            result.append(UInt8(ascii: "}"))
        }
    }

    private func answerMiss(_ call: CallID) {
        counts.misses += 1
        calls.reply(call) { $0.append("{\"hit\":false}") }
    }

    func answerDegraded(_ call: CallID) {
        counts.degraded += 1
        calls.reply(call) { $0.append("{\"hit\":false,\"degraded\":true}") }
    }

    private func append(hit value: ByteView, to result: inout ByteBuffer) {
        result.append("{\"hit\":true,")
        StoredValue.append(value, to: &result, depthMax: depthMax)
        result.append(",\"source\":\"valkey\"}")
    }

    /// Answers `cache.get_many`: one round trip.
    ///
    /// - Throws: ``RPCError`` where a key is not usable.
    public func getMany(_ parameters: CacheGetManyParameters, _ context: CallContext) throws(RPCError) {
        for key in parameters.keys { _ = try keyspace.resolve(key, parameter: "keys") }
        let count = parameters.keys.count
        send(.getMany, .read, context, detail: UInt32(count)) { command in
            command.append(commandOf: count + 1)
            command.append(word: "MGET")
            append(keys: parameters.keys, in: parameters.namespace, to: &command)
        }
    }

    func answerGetMany(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            result.append("{\"entries\":[")
            var elements = reply.elements()
            var isFirst = true
            while let element = elements.next() {
                if !isFirst { result.append(UInt8(ascii: ",")) }
                isFirst = false
                if element.kind == .bulk {
                    counts.hits += 1
                    append(hit: element.bytes, to: &result)
                } else {
                    counts.misses += 1
                    result.append("{\"hit\":false}")
                }
            }
            result.append("]}")
        }
    }

    func answerManyDegraded(_ call: CallID, count: Int) {
        counts.degraded += UInt64(count)
        calls.reply(call) { result in
            result.append("{\"entries\":[")
            for index in 0..<count {
                if index > 0 { result.append(UInt8(ascii: ",")) }
                result.append("{\"hit\":false,\"degraded\":true}")
            }
            result.append("]}")
        }
    }

    /// Answers `cache.exists`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func exists(_ parameters: CacheExistsParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        send(.exists, .read, context) { command in
            command.append("*2\r\n$6\r\nEXISTS\r\n")
            keyspace.append(to: &command, .cache, parameters.namespace, key)
        }
    }

    func answerExists(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            result.append("{\"exists\":")
            result.append(jsonBoolean: reply.integer > 0)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Answers `cache.keys`: one step of a `SCAN`.
    ///
    /// - Throws: ``RPCError`` where pattern or cursor is not usable.
    public func keys(_ parameters: CacheKeysParameters, _ context: CallContext) throws(RPCError) {
        let stem = keyspace.stem(.cache, parameters.namespace?.raw.copy())
        var pattern = Glob.escaped(stem)
        if let glob = parameters.pattern {
            pattern += try keyspace.resolve(glob, parameter: "pattern").copy()
        } else {
            pattern.append(UInt8(ascii: "*"))
        }
        var cursor: Int64 = 0
        if let given = parameters.cursor {
            let digits = given.decoded()
            guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt64(digits) else {
                throw .invalidParams("cursor must be one that cache.keys returned", parameter: "cursor")
            }
            cursor = Int64(bitPattern: number)
        }
        send(.keys, .read, context, detail: UInt32(stem.count)) { command in
            command.append(commandOf: 6)
            command.append(word: "SCAN")
            command.append(word: String(UInt64(bitPattern: cursor)))
            command.append(word: "MATCH")
            pattern.withByteView { command.append(word: $0) }
            command.append(word: "COUNT")
            command.append(word: parameters.count)
        }
    }

    func answerKeys(_ call: CallID, _ reply: Reply, stemLength: Int) {
        var elements = reply.elements()
        guard let cursor = elements.next(), let page = elements.next() else {
            return calls.fail(call, RPCError(.internalError, "Valkey answered SCAN with something else than a page"))
        }
        calls.reply(call) { result in
            result.append("{\"keys\":[")
            var names = page.elements()
            var isFirst = true
            while let name = names.next() {
                let key = name.bytes.dropFirst(stemLength)
                guard UTF8Validation.isValid(key) else { continue }
                if !isFirst { result.append(UInt8(ascii: ",")) }
                isFirst = false
                result.append(jsonString: key)
            }
            result.append("],\"cursor\":")
            if cursor.bytes.equals("0") {
                result.append("null}")
            } else {
                result.append(jsonString: cursor.bytes)
                result.append(UInt8(ascii: "}"))
            }
        }
    }

    /// Appends the names of keys that were resolved once already.
    func append(keys: StringList, in namespace: JSONString?, to command: inout ByteBuffer) {
        for key in keys {
            do throws(RPCError) {
                keyspace.append(to: &command, .cache, namespace, try keyspace.resolve(key, parameter: "keys"))
            } catch {
                preconditionFailure("the keys were not checked")
            }
        }
    }
}
