import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store

/// Takes each message to the method that it names.
@EventLoop
final class Dispatcher {
    let calls: CallTable
    private let parser: RequestParser
    let shapes: RequestShapes
    let run = ReadRun()
    let features: Features
    /// How long calls may take that name no deadline.
    var deadlines: Deadlines
    /// Whether calls that change something are refused because the agent is ending.
    var isDraining = false

    /// How long calls may take that name no deadline.
    struct Deadlines {
        /// Of an ordinary call, in milliseconds.
        var standardMilliseconds: Int64 = 5000
        /// Of one that sweeps through a store, in milliseconds.
        var sweepMilliseconds: Int64 = 60_000
    }

    init(calls: CallTable, features: Features, deadlines: Deadlines) {
        self.calls = calls
        parser = RequestParser(limits: calls.limits)
        shapes = RequestShapes(limits: calls.limits)
        self.features = features
        self.deadlines = deadlines
    }

    /// Serves one message: a request, a notification or a batch.
    func serve(_ text: ByteView, from peer: Peer) {
        if let plan = plan(for: peer), let request = shapes.match(text, for: peer) {
            if serveWrite(request, plan, from: peer) { return }
            return serve(request, plan.method, from: peer, batch: nil)
        }
        switch parser.parse(text) {
        case .request(let request): serve(request, text, from: peer)
        case .invalid(let id, let reason): calls.reject(peer, id: id, batch: nil, .invalidRequest(reason))
        case .batch(let elements): serve(elements, from: peer)
        case .malformed(let fault): calls.reject(peer, id: nil, batch: nil, .parseError(fault))
        }
    }

    /// Serves a batch: its elements run like separate requests, and are answered together.
    private func serve(_ elements: JSONValue, from peer: Peer) {
        var count = 0
        var counter = elements.elements()
        while counter.next() != nil { count += 1 }
        guard count > 0 else {
            return calls.reject(peer, id: nil, batch: nil, .invalidRequest("a batch has at least one element"))
        }
        guard count <= calls.limits.batchMax else {
            let reason = "a batch has at most \(calls.limits.batchMax) elements"
            return calls.reject(peer, id: nil, batch: nil, .invalidRequest(reason))
        }
        let batch = Batch(peer: peer)
        var iterator = elements.elements()
        while let element = iterator.next() {
            switch parser.parse(element.text) {
            case .request(let request): serve(request, from: peer, batch: batch)
            case .invalid(let id, let reason): calls.reject(peer, id: id, batch: batch, .invalidRequest(reason))
            case .batch:
                let reason = "an element of a batch must be an object"
                calls.reject(peer, id: nil, batch: batch, .invalidRequest(reason))
            case .malformed(let fault): calls.reject(peer, id: nil, batch: batch, .parseError(fault))
            }
        }
        calls.finish(batch)
    }

    /// What is known of the calls that a connection made last.
    func plan(for peer: Peer) -> CallPlan? {
        shapes.note(for: peer).map(CallPlan.init)
    }

    /// Serves a request that was parsed, and learns what such requests look like.
    private func serve(_ request: Request, _ text: ByteView, from peer: Peer) {
        guard let method = method(request.method) else { return serveOther(request, from: peer, batch: nil) }
        shapes.learn(text, request, for: peer) { CallPlan(method, request.arguments).rawValue }
        serve(request, method, from: peer, batch: nil)
    }

    private func serve(_ request: Request, from peer: Peer, batch: Batch?) {
        guard let method = method(request.method) else { return serveOther(request, from: peer, batch: batch) }
        serve(request, method, from: peer, batch: batch)
    }

    /// Serves a request whose method is none of those in `proto/`.
    private func serveOther(_ request: Request, from peer: Peer, batch: Batch?) {
        if request.method.equals("$/cancelRequest") { return cancel(request, from: peer, batch: batch) }
        // A notification of a method that is not there gets no reply, as every notification.
        guard let id = request.id else { return }
        calls.reject(peer, id: id, batch: batch, .methodNotFound(request.method))
    }

    private func serve(_ request: Request, _ method: Method, from peer: Peer, batch: Batch?) {
        let call = calls.begin(
            peer,
            id: request.id,
            method: Int(method.rawValue),
            batch: batch,
            isBulky: method.returnsStoredValues
        )
        do throws(RPCError) {
            try perform(method, request.arguments, call, peer)
        } catch {
            calls.fail(call, error)
        }
    }

    private func method(_ name: JSONString) -> Method? {
        guard name.hasEscapes else { return Method.named(name.raw) }
        var decoded = ByteBuffer()
        guard (try? name.append(to: &decoded)) != nil else { return nil }
        return Method.named(decoded.view)
    }

    private func perform(
        _ method: Method,
        _ arguments: Arguments,
        _ call: CallID,
        _ peer: Peer
    ) throws(RPCError) {
        let context = try context(method, arguments, call, peer)
        // What a caller may do was worked out when it connected: most calls cost the test of one bit.
        if !peer.ungated.contains(Int(method.rawValue)) {
            try calls.admit(call, peer, method: Int(method.rawValue), arguments)
        }
        if isDraining, !method.isServedWhileDraining {
            throw RPCError(.shuttingDown, "the agent is shutting down; connect again in a moment", outcome: .notApplied)
        }
        try features.perform(method, arguments, context)
    }

    private func context(
        _ method: Method,
        _ arguments: Arguments,
        _ call: CallID,
        _ peer: Peer
    ) throws(RPCError) -> CallContext {
        guard !arguments.isTruncated else {
            throw .invalidParams("there are more than \(Arguments.countMax) parameters", parameter: nil)
        }
        let metadata = try features.decode(CallMetadata.init, arguments)
        let standard = method.isSweep ? deadlines.sweepMilliseconds : deadlines.standardMilliseconds
        let deadline = EventLoop.reactor.now.advanced(milliseconds: metadata.deadlineMilliseconds ?? standard)
        let trace = metadata.traceparent.flatMap { TraceContext($0.raw) }
        if let trace { calls.setTrace(trace, of: call) }
        return CallContext(
            call: call,
            lane: peer.index,
            deadline: deadline,
            userID: peer.userID,
            isDeadlineGiven: metadata.deadlineMilliseconds != nil,
            trace: trace
        )
    }
}

extension Method {
    /// Whether the method walks through a store, which takes longer than a round trip.
    fileprivate var isSweep: Bool { deadlineMilliseconds > Method.cacheGet.deadlineMilliseconds }

    /// Whether replies carry what is stored, and so may be large.
    fileprivate var returnsStoredValues: Bool {
        switch self {
        case .cacheGet, .cacheGetMany, .hashGet, .hashGetAll, .responseGet, .sessionGet: true
        default: false
        }
    }

    /// Whether the method tells about the agent and so is answered to its end.
    fileprivate var isServedWhileDraining: Bool {
        switch group {
        case .agent, .rpc: true
        default: false
        }
    }
}

extension RPCError {
    /// There is no method of that name.
    fileprivate static func methodNotFound(_ name: JSONString) -> RPCError {
        RPCError(
            .methodNotFound,
            "there is no method \(String(name.decoded().prefix(64))); rpc.discover lists those there are"
        )
    }
}
