import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store

/// A recorded stream on its way to a client.
@EventLoop
final class Replay {
    /// What is replayed.
    let entry: StoredResponse
    /// Its chunks.
    let chunks: [StoredResponse.Chunk]
    /// The call that asked for it.
    let request: ResponseRequest
    /// The client's connection.
    let peer: Peer
    /// The notification up to the index.
    let head: [UInt8]
    /// Whether the gaps of the recording are kept.
    let isPaced: Bool
    /// When it must be over.
    let end: Instant
    /// Which chunk is next.
    var index = 0
    /// When it is due.
    var due: Instant
    /// Wakes it when the next chunk is due, or ends it.
    var timer: TimerID?
    /// Whether the client must take what it was sent first.
    var isHeldBack = false

    init(
        _ entry: StoredResponse,
        _ chunks: [StoredResponse.Chunk],
        _ request: ResponseRequest,
        _ peer: Peer,
        id: [UInt8],
        isPaced: Bool,
        start: Instant
    ) {
        self.entry = entry
        self.chunks = chunks
        self.request = request
        self.peer = peer
        self.isPaced = isPaced
        var head = ByteBuffer()
        head.append("{\"jsonrpc\":\"2.0\",\"method\":\"response.chunk\",\"params\":{\"request\":")
        head.append(id)
        head.append(",\"index\":")
        self.head = head.view.copy()
        let gaps = isPaced ? chunks.reduce(0) { $0 + $1.delayMilliseconds } : 0
        let ownEnd = start.advanced(milliseconds: gaps).advanced(by: Responses.replaySlack)
        end = request.context.isDeadlineGiven ? request.context.deadline : ownEnd
        due = start.advanced(milliseconds: isPaced ? chunks.first?.delayMilliseconds ?? 0 : 0)
    }
}

/// Sends recorded streams chunk by chunk, as fast as they were recorded or as their clients take them.
extension Responses {
    /// Replays a stream and answers the call behind its last chunk.
    func replay(
        _ entry: StoredResponse,
        _ chunks: [StoredResponse.Chunk],
        _ stream: ResponseGetParameters.Stream,
        _ request: ResponseRequest,
        to peer: Peer,
        _ id: [UInt8]
    ) {
        guard replayBytes + entry.bytes.count <= Responses.replayBytesMax else {
            let message = "too many streams are being replayed"
            return calls.fail(request.context.call, RPCError(.overloaded, message, isRetryable: true))
        }
        let replay = Replay(entry, chunks, request, peer, id: id, isPaced: stream == .paced, start: .now)
        replayBytes += entry.bytes.count
        replays[ObjectIdentifier(peer), default: []].append(replay)
        goOn(replay)
    }

    /// Goes on with what a connection is sent, now that it has taken everything.
    func goOnReplaying(to peer: Peer) {
        for replay in replays[ObjectIdentifier(peer)] ?? [] where replay.isHeldBack { goOn(replay) }
    }

    /// Forgets what a connection that has gone was being sent.
    func endReplays(of peer: Peer) {
        for replay in replays.removeValue(forKey: ObjectIdentifier(peer)) ?? [] {
            letGo(replay)
            calls.fail(replay.request.context.call, Responses.gone)
        }
    }

    private func goOn(_ replay: Replay) {
        if let timer = replay.timer { EventLoop.reactor.timers.cancel(timer) }
        replay.timer = nil
        replay.isHeldBack = false
        while replay.index < replay.chunks.count {
            let now = Instant.now
            guard now < replay.end else { return expire(replay) }
            guard replay.due <= now else { return wake(replay, at: replay.due) }
            guard replay.peer.output.count < Responses.outputBytesHigh else {
                // The connection says when it has sent what it was given.
                replay.isHeldBack = true
                replay.peer.hasBacklog = true
                return wake(replay, at: replay.end)
            }
            send(replay)
        }
        finish(replay)
    }

    private func wake(_ replay: Replay, at instant: Instant) {
        replay.timer = EventLoop.reactor.timers.schedule(at: min(instant, replay.end)) { self.goOn(replay) }
    }

    /// Sends the next chunk.
    private func send(_ replay: Replay) {
        let chunk = replay.chunks[replay.index]
        calls.push(replay.peer, count: 1) { _, message in
            message.append(replay.head)
            message.append(decimal: replay.index)
            message.append(",\"chunk\":")
            replay.entry.bytes.withByteView { message.append(jsonText: $0[chunk.bounds]) }
            message.append("}}")
        }
        counts.chunks += 1
        replay.index += 1
        guard replay.isPaced, replay.index < replay.chunks.count else { return }
        replay.due = replay.due.advanced(milliseconds: replay.chunks[replay.index].delayMilliseconds)
    }

    private func finish(_ replay: Replay) {
        remove(replay)
        counts.replayed += 1
        calls.reply(replay.request.context.call) { result in
            result.append("{\"hit\":true,\"chunk_count\":")
            result.append(decimal: replay.chunks.count)
            appendEnd(replay.entry, replay.request.identity, to: &result)
        }
    }

    private func expire(_ replay: Replay) {
        remove(replay)
        calls.fail(
            replay.request.context.call,
            RPCError(.deadlineExceeded, "the deadline passed before the whole stream was taken")
        )
    }

    /// Sends no more of the stream that a call asked for.
    ///
    /// - Returns: Whether there was one.
    func endReplay(to call: CallID) -> Bool {
        guard let peer = calls.peer(of: call),
            let replay = replays[ObjectIdentifier(peer)]?.first(where: { $0.request.context.call == call })
        else { return false }
        remove(replay)
        return true
    }

    private func remove(_ replay: Replay) {
        letGo(replay)
        let key = ObjectIdentifier(replay.peer)
        replays[key]?.removeAll { $0 === replay }
        if replays[key]?.isEmpty == true { replays[key] = nil }
    }

    private func letGo(_ replay: Replay) {
        if let timer = replay.timer { EventLoop.reactor.timers.cancel(timer) }
        replay.timer = nil
        replayBytes -= replay.entry.bytes.count
    }
}
