import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Topics {
    /// Answers `topic.publish`: one round trip.
    ///
    /// - Throws: ``RPCError`` where topic or key are not usable, or the store may evict.
    public func publish(_ parameters: TopicPublishParameters, _ context: CallContext) throws(RPCError) {
        let topic = try TopicName(parameters.topic, keyspace)
        let stream = topic.stream(keyspace)
        var orderKey: [UInt8]?
        if let key = parameters.orderKey { orderKey = try keyspace.resolve(key, parameter: "order_key").copy() }
        var remembered: RememberedRequest?
        if let request = parameters.requestID {
            remembered = try RememberedRequest(
                request,
                context,
                method: "topic.publish",
                key: stream,
                keyspace: keyspace,
                parameters: { digested in
                    digested.append(decimal: orderKey?.count ?? -1)
                    digested.append(":")
                    if let orderKey { digested.append(orderKey) }
                    digested.append(parameters.message.text)
                }
            )
        }
        let publication = Publication(
            topic: topic,
            stream: stream,
            orderKey: orderKey,
            remembered: remembered,
            lengthMax: parameters.lengthMax ?? settings.lengthMax
        )
        let isKnownSafe = try safety.isKnownSafe()
        if isKnownSafe, unchecked.isEmpty { return send(publication, parameters.message.text, context) }
        guard unchecked.count < Topics.uncheckedMax else {
            throw RPCError(.overloaded, "too many messages wait until the store was asked", outcome: .notApplied)
        }
        // It waits until the store was asked, and so do those behind it: they are in that order.
        unchecked.append(Unchecked(publication: publication, message: parameters.message.text.copy(), context: context))
        watchUnchecked(by: context.deadline)
        guard unchecked.count == 1 else { return }
        let generation = uncheckedGeneration
        Task { @EventLoop in await self.sendUnchecked(generation) }
    }

    /// Sends what waits once the store was asked, or refuses it.
    ///
    /// Each publication waits as long as its own caller does; how long the store may take is the check's own affair.
    private func sendUnchecked(_ generation: UInt64) async {
        var refusal: RPCError?
        do throws(RPCError) {
            try await safety.ensure(until: .distantFuture)
        } catch {
            refusal = error
        }
        // Where all of them gave up meanwhile, those that came behind them have a task of their own.
        guard generation == uncheckedGeneration else { return }
        let waiting = takeUnchecked()
        for one in waiting {
            if let refusal {
                calls.fail(one.context.call, refusal)
            } else {
                one.message.withByteView { send(one.publication, $0, one.context) }
            }
        }
    }

    /// Takes everything that waits out of the queue.
    private func takeUnchecked() -> [Unchecked] {
        if let timer = uncheckedTimer?.id { EventLoop.reactor.timers.cancel(timer) }
        uncheckedTimer = nil
        uncheckedGeneration &+= 1
        defer { unchecked = [] }
        return unchecked
    }

    /// Has those whose caller waits no longer be answered in time: at `deadline`, or earlier.
    private func watchUnchecked(by deadline: Instant) {
        if let timer = uncheckedTimer {
            guard deadline < timer.fires else { return }
            EventLoop.reactor.timers.cancel(timer.id)
        }
        let id = EventLoop.reactor.timers.schedule(at: deadline) { self.expireUnchecked() }
        uncheckedTimer = (id: id, fires: deadline)
    }

    /// Ends what waits and has no time left.
    private func expireUnchecked() {
        uncheckedTimer = nil
        let now = Instant.now
        let over = unchecked.filter { $0.context.deadline <= now }
        unchecked.removeAll { $0.context.deadline <= now }
        if unchecked.isEmpty { uncheckedGeneration &+= 1 }
        // At most once a millisecond: each time all that wait are looked through.
        let next = unchecked.map(\.context.deadline).min()
        if let next { watchUnchecked(by: max(next, now.advanced(milliseconds: 1))) }
        for one in over {
            calls.fail(
                one.context.call,
                RPCError(.deadlineExceeded, "the deadline passed before Valkey answered", outcome: .notApplied)
            )
        }
    }

    /// Most publications that wait until the store was asked.
    private static let uncheckedMax = 16_384

    /// What is published, but for the message itself.
    struct Publication {
        let topic: TopicName
        let stream: [UInt8]
        let orderKey: [UInt8]?
        let remembered: RememberedRequest?
        let lengthMax: Int64
    }

    /// A message that waits until it is known whether the store may evict.
    struct Unchecked {
        let publication: Publication
        let message: [UInt8]
        let context: CallContext
    }

    private func send(_ publication: Publication, _ message: ByteView, _ context: CallContext) {
        let operation: Operation = publication.remembered == nil ? .publish : .publishRemembered
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: operation.rawValue, call: context.call.rawValue),
            effect: publication.remembered == nil ? .write : .idempotentWrite,
            deadline: context.deadline
        )
        link.send(request, lane: context.lane) { command in
            command.append(
                callOf: TopicScripts.publish,
                keys: publication.remembered == nil ? 1 : 2,
                arguments: publication.orderKey == nil ? 5 : 6
            )
            publication.stream.withByteView { command.append(word: $0) }
            publication.remembered?.appendKey(to: &command)
            RememberedRequest.appendArguments(publication.remembered, to: &command)
            command.append(word: publication.lengthMax)
            publication.topic.wakeChannel(keyspace).withByteView { command.append(word: $0) }
            command.append(word: message)
            publication.orderKey?.withByteView { command.append(word: $0) }
        }
    }

    /// Answers the publisher.
    func answerPublish(_ call: CallID, _ reply: Reply, _ effect: CommandEffect) {
        if reply.kind == .error {
            if reply.bytes.hasPrefix(TopicScripts.full) { counts.refused += 1 }
            return calls.fail(call, RPCError(topicRefusal: reply.bytes, effect))
        }
        counts.published += 1
        calls.reply(call) { result in
            result.append("{\"id\":")
            result.append(jsonString: reply.bytes)
            result.append(UInt8(ascii: "}"))
        }
    }
}
