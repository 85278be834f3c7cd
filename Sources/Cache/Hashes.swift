import Bytes
public import Contract
public import EventLoop
import JSON
public import JSONRPC
public import Store
import Valkey

/// The hashes of the cache: `hash.*`.
@EventLoop
public struct Hashes {
    private let cache: Cache

    /// Serves the hashes that a cache keeps.
    public init(_ cache: Cache) {
        self.cache = cache
    }

    /// Answers `hash.set`: one round trip, atomic.
    ///
    /// - Throws: ``RPCError`` where key or a field's name is not usable.
    public func set(_ parameters: HashSetParameters, _ context: CallContext) throws(RPCError) {
        var count = 0
        var members = parameters.fields.members()
        while let (name, _) = members.next() {
            _ = try cache.keyspace.resolve(name, parameter: "fields")
            count += 1
        }
        try cache.refuseEncrypted(parameters.namespace, "hashes are not kept in a namespace that is encrypted")
        let life = cache.namespaces.life(parameters.ttlMilliseconds, in: parameters.namespace)
        let key = try cache.keyspace.resolve(parameters.key, parameter: "key")
        cache.send(.hashSet, .idempotentWrite, context) { command in
            command.append(callOf: CacheScripts.hashSet, keys: 1, arguments: 2 + 2 * count)
            cache.keyspace.append(to: &command, .hash, parameters.namespace, key)
            cache.append(life: life, to: &command)
            command.append(word: parameters.ttlMilliseconds == .absent ? "0" : "1")
            var members = parameters.fields.members()
            while let (name, value) = members.next() {
                append(field: name, to: &command)
                command.append(word: value.text)
            }
        }
    }

    /// Answers `hash.get`: one round trip.
    ///
    /// - Throws: ``RPCError`` where key or field is not usable.
    public func get(_ parameters: HashGetParameters, _ context: CallContext) throws(RPCError) {
        _ = try cache.keyspace.resolve(parameters.field, parameter: "field")
        let key = try cache.keyspace.resolve(parameters.key, parameter: "key")
        cache.send(.hashGet, .read, context) { command in
            command.append("*3\r\n$4\r\nHGET\r\n")
            cache.keyspace.append(to: &command, .hash, parameters.namespace, key)
            append(field: parameters.field, to: &command)
        }
    }

    /// Answers `hash.get_all`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func getAll(_ parameters: HashGetAllParameters, _ context: CallContext) throws(RPCError) {
        let key = try cache.keyspace.resolve(parameters.key, parameter: "key")
        cache.send(.hashGetAll, .read, context) { command in
            command.append("*2\r\n$7\r\nHGETALL\r\n")
            cache.keyspace.append(to: &command, .hash, parameters.namespace, key)
        }
    }

    /// Answers `hash.delete`: one round trip.
    ///
    /// - Throws: ``RPCError`` where key or a field is not usable.
    public func delete(_ parameters: HashDeleteParameters, _ context: CallContext) throws(RPCError) {
        for field in parameters.fields { _ = try cache.keyspace.resolve(field, parameter: "fields") }
        let key = try cache.keyspace.resolve(parameters.key, parameter: "key")
        cache.send(.hashDelete, .idempotentWrite, context) { command in
            command.append(commandOf: 2 + parameters.fields.count)
            command.append(word: "HDEL")
            cache.keyspace.append(to: &command, .hash, parameters.namespace, key)
            for field in parameters.fields { append(field: field, to: &command) }
        }
    }

    /// Answers `hash.increment`: one round trip, atomic.
    ///
    /// - Throws: ``RPCError`` where key or field is not usable.
    public func increment(_ parameters: HashIncrementParameters, _ context: CallContext) throws(RPCError) {
        _ = try cache.keyspace.resolve(parameters.field, parameter: "field")
        try cache.refuseEncrypted(parameters.namespace, "hashes are not kept in a namespace that is encrypted")
        let life = cache.namespaces.life(.absent, in: parameters.namespace)
        let key = try cache.keyspace.resolve(parameters.key, parameter: "key")
        let remembered = try cache.remember(
            parameters.requestID,
            context,
            "hash.increment",
            cache.keyspace.name(.hash, parameters.namespace, key)
        ) { digested in
            digested.append(decimal: parameters.by)
            append(field: parameters.field, to: &digested)
        }
        let name = try cache.keyspace.resolve(parameters.key, parameter: "key")
        let effect: CommandEffect = remembered == nil ? .write : .idempotentWrite
        cache.send(.hashIncrement, effect, context, detail: remembered == nil ? 0 : 1) { command in
            command.append(callOf: CacheScripts.hashIncrement, keys: remembered == nil ? 1 : 2, arguments: 5)
            cache.keyspace.append(to: &command, .hash, parameters.namespace, name)
            remembered?.appendKey(to: &command)
            RememberedRequest.appendArguments(remembered, to: &command)
            command.append(word: parameters.by)
            append(field: parameters.field, to: &command)
            cache.append(life: life, to: &command)
        }
    }

    /// Appends the name of a field that was resolved once already.
    private func append(field: JSONString, to command: inout ByteBuffer) {
        do throws(RPCError) {
            command.append(word: try cache.keyspace.resolve(field, parameter: "field"))
        } catch {
            preconditionFailure("the field was not checked")
        }
    }
}

extension Cache {
    func answerHashSet(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            result.append("{\"added\":")
            result.append(decimal: reply.integer)
            result.append(UInt8(ascii: "}"))
        }
    }

    func answerHashGet(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            guard reply.kind == .bulk else { return result.append("{\"found\":false}") }
            result.append("{\"found\":true,")
            StoredValue.append(reply.bytes, to: &result, depthMax: depthMax)
            result.append(UInt8(ascii: "}"))
        }
    }

    func answerHashGetAll(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            result.append(reply.integer > 0 ? "{\"found\":true,\"fields\":{" : "{\"found\":false,\"fields\":{")
            _ = append(fieldsOf: reply, .json, to: &result)
            result.append(UInt8(ascii: "}"))
            for (form, name) in [(StoredValue.Form.text, "text_fields"), (.base64, "base64_fields")] {
                let start = result.count
                result.append(",\"")
                result.append(text: name)
                result.append("\":{")
                if append(fieldsOf: reply, form, to: &result) {
                    result.append(UInt8(ascii: "}"))
                } else {
                    result.truncate(to: start)
                }
            }
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Appends the fields whose values have a form.
    ///
    /// - Returns: Whether there was one.
    private func append(fieldsOf reply: Reply, _ form: StoredValue.Form, to result: inout ByteBuffer) -> Bool {
        var hasFields = false
        var elements = reply.elements()
        while let name = elements.next(), let value = elements.next() {
            guard UTF8Validation.isValid(name.bytes) else { continue }
            guard StoredValue.form(value.bytes, depthMax: depthMax) == form else { continue }
            if hasFields { result.append(UInt8(ascii: ",")) }
            hasFields = true
            result.append(jsonString: name.bytes)
            result.append(UInt8(ascii: ":"))
            StoredValue.append(value.bytes, as: form, to: &result)
        }
        return hasFields
    }
}
