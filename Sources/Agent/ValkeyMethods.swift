import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Store
import Valkey

/// The way past everything that the agent sees to: `valkey.*`.
@EventLoop
struct ValkeyMethods {
    let calls: CallTable
    let stores: Stores

    /// Commands that block, or that change the connection which all callers share, or that answer more than once.
    private static let refused: Set<String> = [
        "AUTH", "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "CLIENT", "DEBUG",
        "DISCARD", "EXEC", "HELLO", "MONITOR", "MULTI", "PSUBSCRIBE", "PSYNC", "PUNSUBSCRIBE", "QUIT", "READONLY",
        "READWRITE", "REPLCONF", "RESET", "SELECT", "SHUTDOWN", "SSUBSCRIBE", "SUBSCRIBE", "SUNSUBSCRIBE", "SYNC",
        "UNSUBSCRIBE", "UNWATCH", "WAIT", "WAITAOF", "WATCH",
    ]

    /// Answers `valkey.call`.
    func call(_ parameters: ValkeyCallParameters, _ context: CallContext) throws(RPCError) {
        var words: [[UInt8]] = []
        for word in parameters.args { words.append(Array(word.decoded().utf8)) }
        let name = String(decoding: words.first ?? [], as: UTF8.self).uppercased()
        let isReading = ["XREAD", "XREADGROUP"].contains(name)
        let blocks = isReading && words.contains { String(decoding: $0, as: UTF8.self).uppercased() == "BLOCK" }
        guard !ValkeyMethods.refused.contains(name), !blocks else {
            let reason = "args begins with a command that blocks or changes the connection which all callers share"
            throw .invalidParams(reason, parameter: "args")
        }
        let link = parameters.store == .state ? stores.stateLink : stores.cacheLink
        let command = words
        Task { @EventLoop in
            do throws(LinkFailure) {
                let reply = try await link.call(.write, deadline: context.deadline, lane: context.lane) { buffer in
                    buffer.append(commandOf: command.count)
                    for word in command { word.withByteView { buffer.append(word: $0) } }
                }
                self.answer(context.call, reply)
            } catch {
                self.calls.fail(context.call, RPCError(error))
            }
        }
    }

    private func answer(_ call: CallID, _ reply: ReplyValue) {
        if case .error(let text) = reply {
            return calls.fail(call, text.withByteView { RPCError(refusal: $0, .write) })
        }
        calls.reply(call) { result in
            result.append("{\"reply\":")
            ValkeyMethods.append(reply, to: &result)
            result.append(UInt8(ascii: "}"))
        }
    }

    private static func append(_ reply: ReplyValue, to result: inout ByteBuffer) {
        switch reply {
        case .status(let text): result.append(jsonString: text)
        case .integer(let number): result.append(decimal: number)
        case .null: result.append("null")
        case .error(let text):
            result.append("{\"error\":")
            result.append(jsonString: text)
            result.append(UInt8(ascii: "}"))
        case .bulk(let bytes):
            if let text = String(validating: bytes, as: UTF8.self) { return result.append(jsonString: text) }
            result.append("{\"base64\":\"")
            bytes.withByteView { Base64.encode($0, to: &result) }
            result.append("\"}")
        case .array(let elements):
            result.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { result.append(UInt8(ascii: ",")) }
                append(element, to: &result)
            }
            result.append(UInt8(ascii: "]"))
        }
    }
}
