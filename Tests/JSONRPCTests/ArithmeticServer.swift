import Bytes
import JSON
import JSONRPC

/// The server of the examples of JSON-RPC 2.0, over bytes: what a real one does with the parts under test, and no more.
final class ArithmeticServer {
    /// Methods by their number in the call table.
    enum Method: Int, CaseIterable {
        case subtract
        case sum
        case notifyHello
        case notifySum
        case update
        case getData

        init?(_ name: JSONString) {
            let names: [(StaticString, Method)] = [
                ("subtract", .subtract), ("sum", .sum), ("notify_hello", .notifyHello), ("notify_sum", .notifySum),
                ("update", .update), ("get_data", .getData),
            ]
            guard let found = names.first(where: { name.equals($0.0) }) else { return nil }
            self = found.1
        }
    }

    let calls: CallTable
    let peer: Peer
    /// Results of calls that ``answer(reversed:)`` is to give; empty unless ``isDeferring``.
    private(set) var waiting: [(call: CallID, result: String)] = []
    /// Whether calls wait for ``answer(reversed:)``.
    var isDeferring = false
    /// Names of the notifications that came.
    private(set) var notifications: [String] = []
    /// Whether the stream ended in something that is no message.
    private(set) var isOver = false
    private let limits: RPCLimits
    private let parser: RequestParser

    init(limits: RPCLimits = RPCLimits()) {
        self.limits = limits
        calls = CallTable(limits: limits, methods: Method.allCases.count)
        peer = Peer(index: 0, userID: 0, limits: limits)
        parser = RequestParser(limits: limits)
    }

    /// Takes bytes and returns all that is sent for them.
    func exchange(_ text: String) -> String {
        text.withByteView { receive($0) }
        return takeOutput()
    }

    /// Takes one message as a line and returns the lines that are sent for it.
    func lines(_ message: String) -> [String] {
        exchange(message + "\n").split(separator: "\n").map(String.init)
    }

    /// Answers the calls that wait.
    func answer(reversed: Bool = false) -> String {
        for (call, result) in reversed ? waiting.reversed() : waiting {
            calls.reply(call) { $0.append(text: result) }
        }
        waiting = []
        return takeOutput()
    }

    func takeOutput() -> String {
        let text = peer.output.view.text()
        peer.output.removeAll()
        return text
    }

    /// Takes bytes; what is sent for them is left in the output.
    func receive(_ bytes: ByteView) {
        peer.input.append(bytes)
        while !isOver {
            switch peer.decoder.next(peer.input.view) {
            case .message(let bounds, let length):
                take(peer.input.view[bounds])
                peer.input.consume(length)
            case .skipped(let length): peer.input.consume(length)
            case .tooLarge(let length):
                peer.input.consume(length)
                let error = RPCError.tooLarge("the message", limitBytes: limits.messageBytesMax)
                calls.reject(peer, id: nil, batch: nil, error)
            case .unreadableHeader, .http: isOver = true
            case .incomplete: return
            }
        }
    }

    private func take(_ text: ByteView) {
        switch parser.parse(text) {
        case .batch(let array): takeBatch(array)
        case let message: take(message, batch: nil)
        }
    }

    private func takeBatch(_ array: JSONValue) {
        var elements = array.elements()
        guard var element = elements.next() else {
            calls.reject(peer, id: nil, batch: nil, .invalidRequest("a batch must not be empty"))
            return
        }
        let batch = Batch(peer: peer)
        while true {
            take(parser.parse(element.text), batch: batch)
            guard let next = elements.next() else { break }
            element = next
        }
        calls.finish(batch)
    }

    private func take(_ message: Message, batch: Batch?) {
        switch message {
        case .request(let request): take(request, batch)
        case .invalid(let id, let reason): calls.reject(peer, id: id, batch: batch, .invalidRequest(reason))
        case .malformed(let fault): calls.reject(peer, id: nil, batch: batch, .parseError(fault))
        case .batch: calls.reject(peer, id: nil, batch: batch, .invalidRequest("a batch must not hold a batch"))
        }
    }

    private func take(_ request: Request, _ batch: Batch?) {
        if request.id == nil { notifications.append(request.method.decoded()) }
        guard let method = Method(request.method) else {
            guard let id = request.id else { return }
            let error = RPCError(code: -32601, kind: "method_not_found", message: "Method not found")
            return calls.reject(peer, id: id, batch: batch, error)
        }
        let call = calls.begin(peer, id: request.id, method: method.rawValue, batch: batch)
        guard let result = result(method, request.arguments) else {
            return calls.fail(call, .invalidParams("two numbers are needed", parameter: nil))
        }
        if isDeferring {
            waiting.append((call, result))
        } else {
            calls.reply(call) { $0.append(text: result) }
        }
    }

    private func result(_ method: Method, _ arguments: Arguments) -> String? {
        let numbers = (0..<arguments.count).compactMap { arguments[$0].value.integer }
        switch method {
        case .sum: return String(numbers.reduce(0, +))
        case .getData: return #"["hello",5]"#
        case .subtract:
            guard numbers.count == 2, arguments.count == 2 else { return nil }
            let isSwapped = arguments.form == .named && arguments[0].name.equals("subtrahend")
            return String(isSwapped ? numbers[1] - numbers[0] : numbers[0] - numbers[1])
        case .notifyHello, .notifySum, .update: return "null"
        }
    }
}
