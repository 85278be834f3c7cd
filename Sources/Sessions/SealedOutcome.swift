import Bytes
import Contract
import Crypto
import JSONRPC
import Sealing
import Store

/// The remembered outcome of a request, sealed because it holds a token.
struct SealedOutcome {
    /// The record that it is kept in.
    let request: RememberedRequest
    /// The outcome's envelope.
    let envelope: [UInt8]
    /// What the envelope is bound to: the record's name.
    let place: [UInt8]
}

extension Sessions {
    /// Prepares the record of a request that may be repeated.
    ///
    /// What the parameters are is kept as a keyed digest: a plain one would let readers of Valkey try out guesses.
    ///
    /// - Parameters:
    ///   - name: The caller's name for the request; nil where nothing is to be remembered.
    ///   - method: The method's name.
    ///   - key: The session in whose slot the record lies.
    ///   - outcome: The result to remember.
    ///   - secret: The key for subjects, which is the same for all agents.
    ///   - context: The call.
    ///   - parameters: Appends everything that makes two calls the same.
    /// - Returns: The record, or nil.
    /// - Throws: ``RPCError`` where the request's name is not usable.
    func remember(
        _ name: RequestName?,
        _ method: StaticString,
        _ key: SessionKey,
        _ outcome: [UInt8],
        _ secret: SecretBytes?,
        _ context: CallContext,
        parameters: (inout ByteBuffer) -> Void
    ) throws(RPCError) -> SealedOutcome? {
        guard let name, let secret else { return nil }
        var text = ByteBuffer()
        text.append("parameters")
        parameters(&text)
        let digest = secret.hmac(text.view.copy())
        let request = try name.withString { string throws(RPCError) in
            try RememberedRequest(
                string,
                context,
                method: method,
                key: keyspace.stem(.session, key.namespace, tag: key.tag),
                keyspace: keyspace,
                parameters: { $0.append(digest) }
            )
        }
        let place = request.name.withByteView { $0.hashed(sealer.hasher) } + [0]
        let envelope = outcome.withByteView { seal($0, EnvelopeHead(.outcome), place: place) }
        return SealedOutcome(request: request, envelope: envelope, place: place)
    }

    /// The outcome that was remembered.
    ///
    /// - Throws: ``RPCError`` `internal_error` where it cannot be opened.
    func open(_ sealed: [UInt8], _ outcome: SealedOutcome) throws(RPCError) -> [UInt8] {
        var text = ByteBuffer()
        do throws(EnvelopeFault) {
            try sealed.withByteView { bytes throws(EnvelopeFault) in
                let envelope = try Envelope(bytes)
                guard envelope.kind == .outcome else { throw .misplaced }
                try outcome.place.withByteView { place throws(EnvelopeFault) in
                    try sealer.open(envelope, place: place, to: &text)
                }
            }
        } catch {
            _ = note(error)
            throw RPCError(
                .internalError,
                "the request was made before, and its remembered outcome cannot be read",
                outcome: .unknown
            )
        }
        return text.view.copy()
    }
}
