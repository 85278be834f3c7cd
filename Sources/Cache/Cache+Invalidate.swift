import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Cache {
    /// Answers `cache.invalidate`: walks the store's keys in bounded steps and removes those that match.
    ///
    /// Each step is one `SCAN` and one `UNLINK`, so other clients of the same Valkey are served between them. The walk
    /// goes on when the caller leaves: half an invalidation helps nobody.
    ///
    /// - Throws: ``RPCError`` where the pattern is not usable.
    public func invalidate(_ parameters: CacheInvalidateParameters, _ context: CallContext) throws(RPCError) {
        let isLocal = !parameters.all && isLocal(parameters.namespace)
        if let tags = parameters.tags {
            return isLocal
                ? try invalidateLocal(tags, parameters, context) : try invalidateTags(tags, parameters, context)
        }
        var globs: [(family: KeyFamily, glob: [UInt8])] = []
        for family in [KeyFamily.cache, .hash] {
            guard !parameters.all else {
                globs.append((family, keyspace.glob(family)))
                continue
            }
            var glob = Glob.escaped(keyspace.stem(family, parameters.namespace?.raw.copy()))
            if let pattern = parameters.pattern {
                glob += try keyspace.resolve(pattern, parameter: "pattern").copy()
            } else {
                glob.append(UInt8(ascii: "*"))
            }
            globs.append((family, glob))
        }
        let namespace = register.number(of: parameters.namespace)
        let all = parameters.all
        Task { @EventLoop in
            await self.sweep(globs, context, namespace, isLocal: isLocal, isEverything: all)
        }
    }

    private func sweep(
        _ globs: [(family: KeyFamily, glob: [UInt8])],
        _ context: CallContext,
        _ namespace: UInt16,
        isLocal: Bool,
        isEverything: Bool
    ) async {
        var done: Int64 = 0
        defer {
            counts.invalidated += UInt64(done)
            register.counts[Int(namespace)].invalidations += UInt64(done)
        }
        do throws(RPCError) {
            for (family, glob) in globs where family == .cache {
                await forgetCopies(glob)
                guard isLocal || isEverything else { continue }
                let removed = await sweepLocal { number, name in
                    isEverything || number == namespace && glob.withByteView { Glob.matches($0, name) }
                }
                done += Int64(removed)
            }
            // Hashes are in Valkey, wherever the entries are.
            for (family, glob) in globs where !isLocal || family == .hash {
                var cursor: [UInt8] = Array("0".utf8)
                repeat {
                    let page = try await scan(from: cursor, glob, context)
                    cursor = page.cursor
                    let keys = page.keys.filter { keyspace.isName($0, of: family) }
                    if !keys.isEmpty { done += try await unlink(keys, context) }
                } while cursor != Array("0".utf8)
            }
        } catch {
            var failure = error
            failure.details.append(("done", String(done)))
            // Some of it may have been done: repeating it does no harm and is the way on.
            failure.isRetryable = true
            // The step that failed may have been one that only looks.
            if failure.outcome != .unknown { failure.outcome = done == 0 ? .notApplied : .unknown }
            return calls.fail(context.call, failure)
        }
        calls.reply(context.call) { result in
            result.append("{\"invalidated\":")
            result.append(decimal: done)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Lets the copies in memory go whose names match, a few pages in each turn of the loop.
    private func forgetCopies(_ glob: [UInt8]) async {
        near.forgetReads()
        var page: Int? = 0
        while let start = page {
            page = near.forget(from: start) { name in
                glob.withByteView { Glob.matches($0, name) } && isEntry(name)
            }
            if page != nil { await EventLoop.reactor.timers.sleep(until: .now) }
        }
    }

    /// Whether a name that begins like an entry's is one.
    private func isEntry(_ name: ByteView) -> Bool { keyspace.isName(name.copy(), of: .cache) }

    private func scan(
        from cursor: [UInt8],
        _ glob: [UInt8],
        _ context: CallContext
    ) async throws(RPCError) -> (cursor: [UInt8], keys: [[UInt8]]) {
        let reply = try await call(.read, context) { command in
            command.append(commandOf: 6)
            command.append(word: "SCAN")
            cursor.withByteView { command.append(word: $0) }
            command.append(word: "MATCH")
            glob.withByteView { command.append(word: $0) }
            command.append(word: "COUNT")
            command.append(word: "250")
        }
        guard let elements = reply.elements, elements.count == 2, let next = elements[0].bytes,
            let names = elements[1].elements
        else { throw RPCError(.internalError, "Valkey answered SCAN with something else than a page") }
        return (next, names.compactMap(\.bytes))
    }

    private func unlink(_ keys: [[UInt8]], _ context: CallContext) async throws(RPCError) -> Int64 {
        let list = beginWrites(keys)
        defer { endWrites(list) }
        let reply = try await call(.idempotentWrite, context) { command in
            command.append(commandOf: 1 + keys.count)
            command.append(word: "UNLINK")
            for key in keys { key.withByteView { command.append(word: $0) } }
        }
        return reply.integer ?? 0
    }

    private func call(
        _ effect: CommandEffect,
        _ context: CallContext,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(RPCError) -> ReplyValue {
        try await link.result(effect, deadline: context.deadline, lane: context.lane, encode)
    }
}
