import Bytes
import Contract
import EventLoop
import JSONRPC
import Store

/// Tells what methods there are: `rpc.*`.
@EventLoop
struct Discovery {
    let calls: CallTable

    /// Answers `rpc.discover`.
    func discover(_ context: CallContext) {
        calls.reply(context.call) { $0.append(OpenRPC.document) }
    }
}
