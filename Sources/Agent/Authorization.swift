import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Policy
import Store

/// What the agent tells callers of themselves: `auth.*`.
@EventLoop
struct Authorization {
    let calls: CallTable

    /// Answers `auth.explain`.
    func explain(_ parameters: AuthExplainParameters, _ context: CallContext) throws(RPCError) {
        let name = parameters.method.decoded()
        guard let method = name.withByteView({ Method.named($0) }) else {
            throw .invalidParams("there is no such method; rpc list names those there are", parameter: "method")
        }
        guard let access = (calls.peer(of: context.call)?.gate as? CallerGate)?.access else {
            return calls.reply(context.call) { $0.append("{}") }
        }
        let decision = access.decide(method, parameters.params.map { Scope(method, members: $0) })
        let isRestricted = !access.unrestricted.contains(Int(method.rawValue))
        calls.reply(context.call) { result in
            result.append("{\"allowed\":")
            if case .granted = decision { result.append("true") } else { result.append("false") }
            result.append(",\"method\":")
            result.append(jsonString: name)
            result.append(",\"operator\":")
            result.append(jsonBoolean: method.isOperator)
            switch decision {
            case .granted(let rule):
                result.append(",\"rule\":")
                result.append(jsonString: rule)
                result.append(",\"restricted\":")
                result.append(jsonBoolean: isRestricted)
            case .refused(let reason):
                result.append(",\"reason\":")
                result.append(jsonString: reason)
            }
            result.append(",\"rules\":")
            result.append(jsonStrings: access.ruleNames)
            result.append(UInt8(ascii: "}"))
        }
    }
}

extension ByteBuffer {
    /// Appends an array of strings.
    mutating func append(jsonStrings texts: [String]) {
        append(UInt8(ascii: "["))
        for (index, text) in texts.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            append(jsonString: text)
        }
        append(UInt8(ascii: "]"))
    }
}
