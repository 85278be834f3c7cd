import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

/// A call of `response.get` that is to be answered.
struct ResponseRequest: Sendable {
    /// What is asked for.
    let identity: RequestIdentity
    /// The call.
    let context: CallContext
    /// How a recorded stream is sent; nil for in the reply.
    let stream: ResponseGetParameters.Stream?
}

extension Responses {
    /// What a look into the store found.
    enum Found {
        /// A response that is not out of date.
        case current(StoredResponse)
        /// None; the id of an entry that is there and out of date, or nothing.
        case none(stale: [UInt8])
    }

    /// Answers `response.get`: one round trip, two for an entry with tags.
    ///
    /// - Throws: ``RPCError`` where a parameter is not usable.
    public func get(_ parameters: ResponseGetParameters, _ context: CallContext) throws(RPCError) {
        let identity = try identity(
            RequestIdentity.Parts(
                model: parameters.model,
                scope: parameters.scope,
                prompt: parameters.prompt,
                messages: parameters.messages,
                params: parameters.params
            )
        )
        let request = ResponseRequest(identity: identity, context: context, stream: parameters.stream)
        let wish = wish(parameters, request)
        Task { @EventLoop in await self.look(request, wish) }
    }

    private func look(_ request: ResponseRequest, _ wish: FlightWish?) async {
        do throws(RPCError) {
            switch try await find(request) {
            case .current(let entry): answer(entry, request)
            case .none(let stale):
                guard let wish else { return answerMiss(request) }
                join(wish, stale: stale)
            }
        } catch {
            answer(error, request)
        }
    }

    /// Looks into the store: the entry first, then the generations, so that what they say holds for the entry.
    private func find(_ request: ResponseRequest) async throws(RPCError) -> Found {
        let context = request.context
        let names = [name(request.identity.fingerprint)] + generationNames(request.identity)
        let replies = try await callAll(names.count, .read, context.deadline, lane: context.lane) { index, command in
            command.append("*2\r\n$3\r\nGET\r\n")
            names[index].withByteView { command.append(word: $0) }
        }
        guard let bytes = replies[0].bytes else { return .none(stale: []) }
        let generations = replies[1...].flatMap { $0.bytes ?? [] }
        let fingerprint = request.identity.fingerprint
        return try await judge(bytes, of: fingerprint, generations, context.deadline, lane: context.lane)
    }

    /// Tells whether what lies in the place of a response is one, and not out of date.
    ///
    /// - Parameters:
    ///   - bytes: What lies there.
    ///   - fingerprint: Whose place it is.
    ///   - generations: The generations of scope and model that hold.
    ///   - deadline: When to stop waiting for those of its tags.
    ///   - lane: Whose commands they go with.
    /// - Returns: What was found.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func judge(
        _ bytes: [UInt8],
        of fingerprint: [UInt8],
        _ generations: [UInt8],
        _ deadline: Instant,
        lane: Int
    ) async throws(RPCError) -> Found {
        guard let entry = readable(bytes, fingerprint),
            let entry = StoredResponse(entry, depthMax: calls.limits.depthMax), entry.generations == generations
        else {
            return .none(stale: StoredResponse.id(of: bytes))
        }
        guard !entry.tags.isEmpty else { return .current(entry) }
        let names = entry.tags.map { generationName(ofTag: $0.name) }
        let replies = try await callAll(names.count, .read, deadline, lane: lane) { index, command in
            command.append("*2\r\n$3\r\nGET\r\n")
            names[index].withByteView { command.append(word: $0) }
        }
        let isCurrent = zip(entry.tags, replies).allSatisfy { $0.generation == $1.bytes }
        return isCurrent ? .current(entry) : .none(stale: StoredResponse.id(of: bytes))
    }

    // MARK: Answers

    /// Answers with a response.
    func answer(_ entry: StoredResponse, _ request: ResponseRequest) {
        counts.hits += 1
        let identity = request.identity
        savings.hit(model: identity.model, scope: identity.scope, tokens: entry.tokens, cost: entry.cost)
        if let stream = request.stream, case .stream(_, let chunks) = entry.body,
            let peer = calls.peer(of: request.context.call), let id = calls.identifier(of: request.context.call)
        {
            return replay(entry, chunks, stream, request, to: peer, id)
        }
        calls.reply(request.context.call) { result in
            entry.bytes.withByteView { view in
                switch entry.body {
                case .whole(let bounds):
                    result.append("{\"hit\":true,\"response\":")
                    result.append(jsonText: view[bounds])
                case .stream(let bounds, _):
                    result.append("{\"hit\":true,\"chunks\":")
                    result.append(jsonText: view[bounds])
                }
            }
            appendEnd(entry, identity, to: &result)
        }
    }

    /// Appends what every hit ends with.
    func appendEnd(_ entry: StoredResponse, _ identity: RequestIdentity, to result: inout ByteBuffer) {
        if let usage = entry.usage {
            result.append(",\"usage\":")
            entry.bytes.withByteView { result.append(jsonText: $0[usage]) }
        }
        append(fingerprint: identity, to: &result)
        result.append(UInt8(ascii: "}"))
    }

    private func append(fingerprint identity: RequestIdentity, to result: inout ByteBuffer) {
        result.append(",\"fingerprint\":\"")
        result.append(identity.fingerprint)
        result.append(UInt8(ascii: "\""))
    }

    /// Answers that there is none.
    ///
    /// - Parameters:
    ///   - request: The call.
    ///   - lease: The lease that the caller was given.
    ///   - isDegraded: Whether Valkey could not be asked.
    func answerMiss(_ request: ResponseRequest, lease: [UInt8]? = nil, isDegraded: Bool = false) {
        counts.misses += 1
        if isDegraded { counts.degraded += 1 }
        savings.miss(model: request.identity.model, scope: request.identity.scope)
        calls.reply(request.context.call) { result in
            result.append("{\"hit\":false")
            append(fingerprint: request.identity, to: &result)
            if let lease {
                result.append(",\"lease\":\"")
                result.append(lease)
                result.append(UInt8(ascii: "\""))
            }
            result.append(isDegraded ? ",\"degraded\":true}" : "}")
        }
    }

    /// Answers with an error, or with a miss where Valkey is away: the application goes on without.
    func answer(_ error: RPCError, _ request: ResponseRequest) {
        if error.code == ErrorKind.unavailable.code { return answerMiss(request, isDegraded: true) }
        calls.fail(request.context.call, error)
    }
}
