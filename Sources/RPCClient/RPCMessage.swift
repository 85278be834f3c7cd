import JSON

/// One message from the agent: a reply, a notification (a push), or a batch of replies.
package struct RPCMessage: Sendable {
    /// The message as it came.
    package let text: JSONFragment
    /// The reply's id as it was written; nil in a notification and in a batch.
    package let id: JSONFragment?
    /// The result of a call that was carried out.
    package let result: JSONFragment?
    /// The error of one that was not.
    package let error: RPCErrorReply?
    /// The notification's method; nil in a reply.
    package let method: String?
    /// What a notification carries.
    package let params: JSONFragment?

    /// Reads a message; nil where `text` is none.
    init?(_ text: JSONFragment) {
        var id: JSONFragment?
        var result: JSONFragment?
        var error: JSONFragment?
        var method: String?
        var params: JSONFragment?
        for (name, value) in text.members {
            switch name {
            case "id": id = value
            case "result": result = value
            case "error": error = value
            case "method": method = value.string
            case "params": params = value
            default: continue
            }
        }
        let isReply = id != nil && (result != nil || error != nil)
        guard isReply || method != nil || text.kind == .array else { return nil }
        self.text = text
        self.id = id
        self.result = result
        self.error = error.map { RPCErrorReply($0) }
        self.method = method
        self.params = params
    }

    /// Whether the message is an answer, of one call or of a batch.
    package var isReply: Bool { method == nil }

    /// The messages of a batch; none where the message is not a batch.
    package var batch: [RPCMessage] { text.elements.compactMap { RPCMessage($0) } }
}

/// The error of a call, as JSON-RPC writes it.
package struct RPCErrorReply: Sendable {
    /// The whole error object.
    package let text: JSONFragment
    /// Its number; 0 where the agent gave none.
    package let code: Int64
    /// Its words.
    package let message: String
    /// What it says beyond, by name.
    package let data: JSONFragment?

    init(_ text: JSONFragment) {
        self.text = text
        code = text["code"]?.integer ?? 0
        message = text["message"]?.string ?? ""
        data = text["data"]
    }

    /// The word for the code, such as `method_not_found`.
    package var kind: String? { data?["kind"]?.string }
}
