import Bytes
public import Contract
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Cache {
    /// Answers `cache.set_many`: one round trip, in one transaction.
    ///
    /// - Throws: ``RPCError`` where a key or value is not usable; nothing was written then.
    public func setMany(_ parameters: CacheSetManyParameters, _ context: CallContext) throws(RPCError) {
        if isLocal(parameters.namespace) { return try setManyLocal(parameters, context) }
        for entry in parameters.entries {
            _ = try keyspace.resolve(entry.key, parameter: "entries")
            _ = try resolve(entry.value, entry.text, entry.base64)
        }
        let list = near.beginWrites()
        for entry in parameters.entries { beginWrite(of: entry.key, parameters.namespace, list) }
        let detail = UInt32(register.number(of: parameters.namespace)) << 20 | UInt32(list)
        let replies = parameters.entries.count + 2
        send(.setMany, .idempotentWrite, context, replies: replies, detail: detail) { command in
            command.append("*1\r\n$5\r\nMULTI\r\n")
            for entry in parameters.entries { append(checked: entry, parameters.namespace, to: &command) }
            command.append("*1\r\n$4\r\nEXEC\r\n")
        }
    }

    /// Takes note of the write of an entry whose key was resolved once already.
    private func beginWrite(of key: JSONString, _ namespace: JSONString?, _ list: Int) {
        do throws(RPCError) {
            addWrite(near.name(namespace, try keyspace.resolve(key, parameter: "key")), to: list)
        } catch {
            preconditionFailure("the keys were not checked")
        }
    }

    func answerSetMany(_ call: CallID, _ reply: Reply, _ detail: Int) {
        var stored = 0
        var elements = reply.elements()
        while let element = elements.next() {
            if element.kind == .error {
                var error = RPCError(refusal: element, .idempotentWrite)
                // The transaction ran: others of its entries are written.
                error.outcome = .unknown
                return calls.fail(call, error)
            }
            stored += 1
        }
        countSets(stored, UInt16(detail >> 20))
        calls.reply(call) { result in
            result.append("{\"stored\":")
            result.append(decimal: stored)
            result.append(UInt8(ascii: "}"))
        }
    }

    private func append(
        checked entry: CacheSetManyParameters.Entry,
        _ namespace: JSONString?,
        to command: inout ByteBuffer
    ) {
        do throws(RPCError) {
            let value = try resolve(entry.value, entry.text, entry.base64)
            let key = try keyspace.resolve(entry.key, parameter: "entries")
            let life = namespaces.life(entry.ttlMilliseconds, in: namespace)
            guard isEncoded(namespace) else { return append(entry: value, key, namespace, life: life, to: &command) }
            let name = keyspace.name(.cache, namespace, key)
            var stored = ByteBuffer()
            append(stored: value, name: name, stale: 0, tags: [], register.number(of: namespace), to: &stored)
            append(name: name, stored.view, life: life, to: &command)
        } catch {
            preconditionFailure("the entries were not checked")
        }
    }

    func append(
        entry value: ByteView,
        _ key: ByteView,
        _ namespace: JSONString?,
        life: Int64?,
        to command: inout ByteBuffer
    ) {
        if life == nil {
            command.append("*3\r\n$3\r\nSET\r\n")
        } else {
            command.append("*5\r\n$3\r\nSET\r\n")
        }
        keyspace.append(to: &command, .cache, namespace, key)
        StoredMark.append(value, to: &command)
        if let life {
            command.append("$2\r\nPX\r\n")
            command.append(word: life)
        }
    }

    /// The bytes to store: the JSON as written, or the text, or what the Base64 encodes.
    ///
    /// - Returns: The bytes, lent until the next call of this method.
    func resolve(
        _ value: JSONValue?,
        _ text: JSONString?,
        _ base64: JSONString?
    ) throws(RPCError) -> ByteView {
        if let value { return value.text }
        valueScratch.removeAll(keepingCapacityUpTo: 64 << 10)
        if let text {
            guard (try? text.append(to: &valueScratch)) != nil else {
                throw .invalidParams("text holds half of a surrogate pair, which is no text", parameter: "text")
            }
        } else if let base64 {
            guard decode(base64) else {
                throw .invalidParams("base64 must be Base64 with padding (RFC 4648 section 4)", parameter: "base64")
            }
        }
        return valueScratch.view
    }

    /// Decodes into the scratch memory; PHP, for one, writes each `/` as an escape.
    private func decode(_ base64: JSONString) -> Bool {
        guard base64.hasEscapes else { return Base64.decode(base64.raw, to: &valueScratch) }
        var unescaped = ByteBuffer()
        guard (try? base64.append(to: &unescaped)) != nil else { return false }
        return Base64.decode(unescaped.view, to: &valueScratch)
    }

    /// Answers `cache.delete`: one round trip.
    ///
    /// - Throws: ``RPCError`` where a key is not usable.
    public func delete(_ parameters: CacheDeleteParameters, _ context: CallContext) throws(RPCError) {
        if isLocal(parameters.namespace) { return try deleteLocal(parameters, context) }
        if let key = parameters.key {
            let key = try keyspace.resolve(key, parameter: "key")
            return sendWrite(.delete, .idempotentWrite, context, parameters.namespace, key) { command in
                command.append("*2\r\n$6\r\nUNLINK\r\n")
                keyspace.append(to: &command, .cache, parameters.namespace, key)
            }
        }
        guard let keys = parameters.keys else { preconditionFailure("the contract demands key or keys") }
        for key in keys { _ = try keyspace.resolve(key, parameter: "keys") }
        let list = near.beginWrites()
        for key in keys { beginWrite(of: key, parameters.namespace, list) }
        send(.deleteMany, .idempotentWrite, context, detail: UInt32(list)) { command in
            command.append(commandOf: keys.count + 1)
            command.append(word: "UNLINK")
            append(keys: keys, in: parameters.namespace, to: &command)
        }
    }

    func answerDelete(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            result.append("{\"deleted\":")
            result.append(decimal: reply.integer)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Answers `cache.touch`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func touch(_ parameters: CacheTouchParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        let life = namespaces.exactLife(parameters.ttlMilliseconds, in: parameters.namespace)
        if isLocal(parameters.namespace) {
            let name = keyspace.name(.cache, parameters.namespace, key)
            return touchLocal(name, register.number(of: parameters.namespace), life, context)
        }
        sendWrite(.touch, .idempotentWrite, context, parameters.namespace, key) { command in
            command.append(callOf: CacheScripts.touch, keys: 1, arguments: 3)
            keyspace.append(to: &command, .cache, parameters.namespace, key)
            append(life: life, to: &command)
            command.append(word: context.deadline.nanoseconds)
            command.append(word: "")
        }
    }

    func answerTouch(_ call: CallID, _ reply: Reply) {
        let isFound = reply.integer > 0
        calls.reply(call) { $0.append(isFound ? "{\"found\":true}" : "{\"found\":false}") }
    }

    /// Answers `cache.increment`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func increment(_ parameters: CacheIncrementParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        if isLocal(parameters.namespace) { return try incrementLocal(parameters, key, context) }
        try refuseEncrypted(parameters.namespace, "counters are not kept in a namespace that is encrypted")
        let life = namespaces.life(parameters.ttlMilliseconds, in: parameters.namespace)
        let exactLife = namespaces.exactLife(parameters.ttlMilliseconds, in: parameters.namespace)
        let scope: StaticString = parameters.ttlMilliseconds == .absent ? "0" : "1"
        let remembered = try remember(
            parameters.requestID,
            context,
            "cache.increment",
            keyspace.name(.cache, parameters.namespace, key)
        ) { digested in
            digested.append(decimal: parameters.by)
            append(life: exactLife, to: &digested)
            digested.append(scope)
        }
        let name = try keyspace.resolve(parameters.key, parameter: "key")
        let effect: CommandEffect = remembered == nil ? .write : .idempotentWrite
        sendWrite(
            .increment,
            effect,
            context,
            parameters.namespace,
            name,
            isRemembered: remembered != nil
        ) { command in
            command.append(callOf: CacheScripts.increment, keys: remembered == nil ? 1 : 2, arguments: 7)
            keyspace.append(to: &command, .cache, parameters.namespace, name)
            remembered?.appendKey(to: &command)
            RememberedRequest.appendArguments(remembered, to: &command)
            command.append(word: parameters.by)
            append(life: life, to: &command)
            command.append(word: scope)
            command.append(word: context.deadline.nanoseconds)
            command.append(word: "")
        }
    }

    /// Refuses what cannot be encrypted where everything is to be.
    func refuseEncrypted(_ namespace: JSONString?, _ reason: String) throws(RPCError) {
        guard namespaces.hasEncrypted, namespaces.settings(of: namespace).isEncrypted else { return }
        throw .invalidParams(reason + "; use another one", parameter: "namespace")
    }

    /// The record of a call that may be repeated, where it names its request.
    func remember(
        _ request: JSONString?,
        _ context: CallContext,
        _ method: StaticString,
        _ key: [UInt8],
        parameters: (inout ByteBuffer) -> Void
    ) throws(RPCError) -> RememberedRequest? {
        guard let request else { return nil }
        return try RememberedRequest(
            request,
            context,
            method: method,
            key: key,
            keyspace: keyspace,
            parameters: parameters
        )
    }

    func answerIncrement(_ call: CallID, _ reply: Reply) {
        calls.reply(call) { result in
            result.append("{\"value\":")
            result.append(reply.bytes)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Appends a life in milliseconds as a script's argument: nothing stands for no end.
    func append(life: Int64?, to command: inout ByteBuffer) {
        if let life {
            command.append(word: life)
        } else {
            command.append(word: "")
        }
    }
}
