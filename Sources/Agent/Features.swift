import Cache
import Channels
import Contract
import EventLoop
import JSONRPC
import Leaders
import Leases
import Locks
import Responses
import Sessions
import Store
import Topics

/// What answers calls: a member for each group of methods, named as on the wire.
///
/// The switch over all methods is made from `proto/`: see `Generated/Features+Perform.swift`. A method that has no
/// function here does not compile.
@EventLoop
struct Features {
    let agent: AgentMethods
    let auth: Authorization
    let valkey: ValkeyMethods
    let rpc: Discovery
    let cache: Cache
    let hash: Hashes
    let session: Sessions
    let channel: Channels
    let lock: Locks
    let semaphore: Semaphores
    let leader: Leaders
    let topic: Topics
    let response: Responses
    /// What locks, semaphores and elections hold.
    let leases: Leases

    /// Decodes parameters, with their faults as the error of the call.
    func decode<Parameters>(
        _ make: (Arguments) throws(InvalidParameters) -> Parameters,
        _ arguments: Arguments
    ) throws(RPCError) -> Parameters {
        do throws(InvalidParameters) {
            return try make(arguments)
        } catch {
            throw RPCError(error)
        }
    }
}
