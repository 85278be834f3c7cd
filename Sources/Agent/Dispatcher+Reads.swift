import Bytes
import Cache
import Contract
import EventLoop
import JSONRPC
import Linux
import Store

/// Reads that came together on one connection, until they are answered; one list serves a whole loop.
@safe
final class ReadRun {
    /// A read, lent from what came.
    struct Element {
        let id: ByteView
        let read: ExpectedRead
        /// Where the next message begins.
        let end: Int
    }

    /// Most reads that are looked at together: more would push out of the processor's cache what was fetched first.
    static let countMax = 16

    private let elements = UnsafeMutablePointer<Element>.allocate(capacity: ReadRun.countMax)
    private(set) var count = 0

    deinit {
        unsafe elements.deallocate()
    }

    /// Whether no more can be added.
    var isFull: Bool { count == ReadRun.countMax }

    func removeAll() {
        count = 0
    }

    func append(_ element: Element) {
        assert(!isFull)
        unsafe (elements + count).initialize(to: element)
        count += 1
    }

    subscript(_ index: Int) -> Element {
        assert(index < count)
        return unsafe elements[index]
    }
}

extension Dispatcher {
    /// Serves the reads at the front of what came which look like those before them, some at a time.
    ///
    /// - Parameters:
    ///   - bytes: What came and was not served, beginning with a message.
    ///   - peer: The connection that it came over.
    /// - Returns: How many bytes were served; 0 where the first message is to be served by itself.
    func serveReads(_ bytes: ByteView, from peer: Peer) -> Int {
        guard let plan = plan(for: peer), plan.isRead, !isDraining, peer.ungated.contains(Int(plan.method.rawValue)),
            peer.decoder.isBetweenLines
        else { return 0 }
        gather(bytes, plan, peer)
        let cache = features.cache
        for index in 0..<run.count { cache.fetch(run[index].read) }
        var served = 0
        for index in 0..<run.count {
            if index > 0, peer.isClosed || calls.holdsBack(peer) { break }
            let element = run[index]
            if !cache.getAtOnce(element.read, from: peer, id: element.id) { get(element, from: peer) }
            served = element.end
        }
        return served
    }

    /// Finds the reads at the front of what came.
    private func gather(_ bytes: ByteView, _ plan: CallPlan, _ peer: Peer) {
        let cache = features.cache
        // Whatever is no such read is left to the connection's own.
        var decoder = peer.decoder
        var position = 0
        run.removeAll()
        cache.beginReads()
        while !run.isFull, position < bytes.count,
            case .message(let bounds, let length) = decoder.next(bytes.dropFirst(position)),
            case let message = bytes[(position + bounds.lowerBound)..<(position + bounds.upperBound)],
            let request = shapes.match(message, for: peer),
            let id = request.id, let parameters = plan.readParameters(request.arguments)
        {
            position += length
            run.append(ReadRun.Element(id: id, read: cache.expect(parameters), end: position))
        }
    }

    /// Begins a call for a read that memory does not answer.
    private func get(_ element: ReadRun.Element, from peer: Peer) {
        let call = calls.begin(peer, id: element.id, method: Int(Method.cacheGet.rawValue), batch: nil, isBulky: true)
        do throws(RPCError) {
            try features.cache.get(element.read.parameters, plainContext(call, peer))
        } catch {
            calls.fail(call, error)
        }
    }
}
