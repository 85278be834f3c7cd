import JSON

/// One message from the agent: a reply, a notification (a push), or a batch of replies.
public struct RPCMessage: Sendable {
    /// The message as it came.
    public let text: JSONFragment
    /// The reply's id as it was written; nil in a notification and in a batch.
    public let id: JSONFragment?
    /// The result of a call that was carried out.
    public let result: JSONFragment?
    /// The error of one that was not.
    public let error: RPCErrorReply?
    /// The notification's method; nil in a reply.
    public let method: String?
    /// What a notification carries.
    public let params: JSONFragment?

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
    public var isReply: Bool { method == nil }

    /// The messages of a batch; none where the message is not a batch.
    public var batch: [RPCMessage] { text.elements.compactMap { RPCMessage($0) } }
}

/// The error of a call, as JSON-RPC writes it.
public struct RPCErrorReply: Sendable {
    /// The whole error object.
    public let text: JSONFragment
    /// Its number; 0 where the agent gave none.
    public let code: Int64
    /// Its words.
    public let message: String
    /// What it says beyond, by name.
    public let data: JSONFragment?

    init(_ text: JSONFragment) {
        self.text = text
        code = text["code"]?.integer ?? 0
        message = text["message"]?.string ?? ""
        data = text["data"]
    }

    /// The word for the code, such as `method_not_found`.
    public var kind: String? { data?["kind"]?.string }
}
