import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
public import Store
import Valkey

extension Cache {
    /// Answers `cache.exists`: from memory, or with one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func exists(_ parameters: CacheExistsParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        if isLocal(parameters.namespace) { return existsLocal(parameters, key, context) }
        if near.isUsable {
            let name = near.name(parameters.namespace, key)
            if let hit = near.find(name, near.hash(name)), hit.form != .guarded || stands(NearGuard(hit.value)) {
                return calls.reply(context.call) { $0.append("{\"exists\":true}") }
            }
        }
        let number = register.number(of: parameters.namespace)
        let detail = ReadDetail(namespace: number, deadline: context.deadline, at: EventLoop.reactor.now)
        send(.exists, .read, context, detail: detail.rawValue) { command in
            command.append(callOf: CacheScripts.exists, keys: 1, arguments: 0)
            keyspace.append(to: &command, .cache, parameters.namespace, key)
        }
    }

    func answerExists(_ call: CallID, _ reply: Reply, _ detail: UInt32) {
        // An entry with tags, which may have moved on.
        var elements = reply.elements()
        guard reply.kind == .array, let entry = elements.next(), let key = elements.next() else {
            return answerExists(call, reply.integer > 0)
        }
        let read = headedRead(call, detail, withLife: false)
        let isKnown = settings(ofNumber: read.namespace).tier.hasNear
        if let head = EntryHead(entry.bytes) {
            // Another client has moved it here: whoever writes it finds none, either.
            guard head.name.equals(key.bytes) else { return answerExists(call, false) }
            if isKnown, mayRely(on: head, in: read.namespace, isFresh: false) { return answerExists(call, true) }
        }
        let stored = entry.bytes.copy()
        let name = key.bytes.copy()
        Task { @EventLoop in
            do throws(LinkFailure) {
                self.answerExists(call, try await !self.isOutdated(stored, at: name, read.deadline, read.lane))
            } catch {
                self.calls.fail(call, RPCError(error))
            }
        }
    }

    private func answerExists(_ call: CallID, _ exists: Bool) {
        calls.reply(call) { result in
            result.append("{\"exists\":")
            result.append(jsonBoolean: exists)
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
        if isLocal(parameters.namespace) {
            return keysLocal(parameters, pattern: pattern, cursor: cursor, context)
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
        for key in keys { append(key: key, in: namespace, to: &command) }
    }

    /// Appends the name of a key that was resolved once already.
    func append(key: JSONString, in namespace: JSONString?, to command: inout ByteBuffer) {
        do throws(RPCError) {
            keyspace.append(to: &command, .cache, namespace, try keyspace.resolve(key, parameter: "keys"))
        } catch {
            preconditionFailure("the keys were not checked")
        }
    }
}
