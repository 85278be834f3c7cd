import Audit
import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Policy
import Store

extension AgentMethods {
    /// What the operator should know of the audit file.
    var auditWarnings: [String] {
        guard let fault = server?.gatekeeper.audit.status?.fault else { return [] }
        return ["the audit file cannot be written, so that calls go unrecorded: \(fault)"]
    }

    /// Answers `agent.whoami`; the user's name may come from another machine, so it is looked up beside the loop.
    func whoami(_ context: CallContext) {
        guard let peer = calls.peer(of: context.call) else { return calls.reply(context.call) { $0.append("{}") } }
        let identity = server?.identity(of: peer)
        let access = (peer.gate as? CallerGate)?.access
        let userID = peer.userID
        Task { @EventLoop in
            let user = await BlockingWork.run { Accounts.userName(userID) }
            self.calls.reply(context.call) { result in
                result.append("{\"uid\":")
                result.append(decimal: UInt64(userID))
                result.append(",\"gid\":")
                result.append(decimal: UInt64(identity?.groupID ?? .max))
                result.append(",\"groups\":[")
                for (index, group) in (identity?.groups ?? []).sorted().enumerated() {
                    if index > 0 { result.append(UInt8(ascii: ",")) }
                    result.append(decimal: UInt64(group))
                }
                result.append("],\"pid\":")
                result.append(decimal: Int64(identity?.processID ?? 0))
                result.append(",\"user\":")
                if let user { result.append(jsonString: user) } else { result.append("null") }
                result.append(",\"socket\":")
                result.append(jsonString: access?.caller.socket ?? "")
                result.append(",\"rules\":")
                result.append(jsonStrings: access?.ruleNames ?? [])
                result.append(UInt8(ascii: "}"))
            }
        }
    }
}
