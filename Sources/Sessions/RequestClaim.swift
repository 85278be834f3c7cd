import Bytes
import Contract
import Crypto
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

/// What a request's name is taken by: the digest of the parameters that it first came with.
///
/// What a session's call remembers lies beside the session, and so in another slot for other parameters. The claim lies
/// where only user, method and request decide, and so meets every call of that name.
struct RequestClaim {
    /// The claim's key in Valkey; it does not tell the request's name.
    let name: [UInt8]
    /// A keyed digest of the parameters, in hexadecimal.
    let digest: [UInt8]

    /// Names the claim of a request.
    ///
    /// - Parameters:
    ///   - request: The caller's name for the request.
    ///   - method: The method's name.
    ///   - userID: The caller's user.
    ///   - secret: The key for subjects, which is the same for all agents.
    ///   - keyspace: Gives the prefix.
    ///   - parameters: Appends everything that makes two calls the same.
    @EventLoop
    init(
        _ request: RequestName,
        _ method: StaticString,
        _ userID: UInt32,
        _ secret: SecretBytes,
        _ keyspace: Keyspace,
        parameters: (inout ByteBuffer) -> Void
    ) {
        var text = ByteBuffer()
        text.append("claim:")
        text.append(decimal: Int64(userID))
        text.append(":")
        text.append(method)
        text.append(":")
        text.append(request.bytes)
        let hash = secret.hmac(text.view.copy())
        var buffer = ByteBuffer()
        buffer.append(keyspace.prefix)
        buffer.append("request:{")
        hash.withByteView { buffer.append(hexadecimal: $0) }
        buffer.append("}")
        name = buffer.view.copy()
        text.removeAll()
        text.append("claimed")
        parameters(&text)
        buffer.removeAll()
        secret.hmac(text.view.copy()).withByteView { buffer.append(hexadecimal: $0) }
        digest = buffer.view.copy()
    }
}

extension Sessions {
    /// Runs a call that may be repeated under its request's claim; nil runs it without one.
    ///
    /// - Throws: ``RPCError`` `conflict` where the request came with other parameters before, and what `body` throws.
    func claiming(
        _ claim: RequestClaim?,
        _ deadline: Instant,
        _ body: () async throws(RPCError) -> [UInt8]
    ) async throws(RPCError) -> [UInt8] {
        guard let claim else { return try await body() }
        // Whatever became of the claim, what was asked for was not begun.
        try await preparing { () async throws(RPCError) in
            _ = try await call(.idempotentWrite, deadline) { command in
                command.append(callOf: SessionScripts.claim, keys: 1, arguments: 2)
                command.append(word: claim.name)
                command.append(word: claim.digest)
                command.append(word: RememberedRequest.lifeMilliseconds)
            }
        }
        do throws(RPCError) {
            return try await body()
        } catch {
            // A refusal is not remembered.
            if error.outcome == .notApplied { disclaim(claim) }
            throw error
        }
    }

    private func disclaim(_ claim: RequestClaim) {
        let deadline = Instant.now.advanced(by: .seconds(5))
        Task { @EventLoop in
            _ = try? await self.call(.idempotentWrite, deadline) { command in
                command.append(callOf: SessionScripts.disclaim, keys: 1, arguments: 1)
                command.append(word: claim.name)
                command.append(word: claim.digest)
            }
        }
    }
}
