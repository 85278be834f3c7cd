import Bytes
import EventLoop
public import JSONRPC

extension CallTable {
    /// Runs a call of several steps, and answers it with the JSON that it makes or with what it throws.
    @EventLoop
    public func answer(_ call: CallID, _ body: @escaping @EventLoop () async throws(RPCError) -> [UInt8]) {
        Task { @EventLoop in
            do throws(RPCError) {
                let result = try await body()
                self.reply(call) { $0.append(result) }
            } catch {
                self.fail(call, error)
            }
        }
    }
}
