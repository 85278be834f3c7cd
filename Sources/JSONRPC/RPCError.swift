public import Bytes
public import JSON

/// An error reply: code, message, and data that programs can act on.
public struct RPCError: Error, Sendable {
    /// Whether what the call should change was changed.
    public enum Outcome: Sendable {
        /// It was not, and will not be.
        case notApplied
        /// Nobody can tell.
        case unknown
    }

    /// The error's number, of JSON-RPC 2.0 or of `proto/errors.json`.
    public var code: Int
    /// The error's stable name, such as `invalid_params`.
    public var kind: StaticString
    /// What happened and what to do about it, for a person; never a key, a value or a secret.
    public var message: String
    /// Whether the same call may succeed later.
    public var isRetryable: Bool
    /// How long to wait before trying again, in milliseconds.
    public var retryAfterMilliseconds: Int64?
    /// What became of the effect; nil where the call had none to have.
    public var outcome: Outcome?
    /// Further members of `data`: a name and a JSON text each.
    public var details: [(name: StaticString, json: String)]

    /// Makes an error reply.
    public init(
        code: Int,
        kind: StaticString,
        message: String,
        isRetryable: Bool = false,
        retryAfterMilliseconds: Int64? = nil,
        outcome: Outcome? = nil,
        details: [(name: StaticString, json: String)] = []
    ) {
        self.code = code
        self.kind = kind
        self.message = message
        self.isRetryable = isRetryable
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.outcome = outcome
        self.details = details
    }

    /// The text is not JSON (JSON-RPC 2.0 section 5.1).
    public static func parseError(_ fault: JSONFault) -> RPCError {
        RPCError(
            code: -32700,
            kind: "parse_error",
            message: "not JSON: \(fault)",
            details: [("offset", String(fault.offset))]
        )
    }

    /// The JSON is no request (JSON-RPC 2.0 section 5.1).
    public static func invalidRequest(_ reason: String) -> RPCError {
        RPCError(code: -32600, kind: "invalid_request", message: reason)
    }

    /// The parameters are not those of the method.
    public static func invalidParams(_ reason: String, parameter: String?) -> RPCError {
        var details: [(name: StaticString, json: String)] = []
        if let parameter {
            var buffer = ByteBuffer()
            buffer.append(jsonString: parameter)
            details.append(("param", buffer.view.text()))
        }
        return RPCError(code: -32602, kind: "invalid_params", message: reason, details: details)
    }

    /// Something is longer than a limit.
    public static func tooLarge(_ what: String, limitBytes: Int) -> RPCError {
        RPCError(
            code: 1005,
            kind: "too_large",
            message: "\(what) is longer than \(limitBytes) bytes",
            details: [("limit_bytes", String(limitBytes))]
        )
    }

    /// Appends the error object.
    ///
    /// - Parameters:
    ///   - buffer: What it is appended to.
    ///   - trace: Where the call belongs in its caller's trace: the trace's id goes into `data`.
    public func append(to buffer: inout ByteBuffer, trace: TraceContext? = nil) {
        buffer.append("{\"code\":")
        buffer.append(decimal: code)
        buffer.append(",\"message\":")
        buffer.append(jsonString: message)
        buffer.append(",\"data\":{\"kind\":\"")
        buffer.append(kind)
        buffer.append("\",\"retryable\":")
        buffer.append(jsonBoolean: isRetryable)
        if let retryAfterMilliseconds {
            buffer.append(",\"retry_after_ms\":")
            buffer.append(decimal: retryAfterMilliseconds)
        }
        if let outcome {
            buffer.append(outcome == .unknown ? ",\"outcome\":\"unknown\"" : ",\"outcome\":\"not_applied\"")
        }
        for detail in details {
            buffer.append(",\"")
            buffer.append(detail.name)
            buffer.append("\":")
            buffer.append(text: detail.json)
        }
        if let trace {
            buffer.append(",\"trace_id\":\"")
            buffer.append(text: trace.traceID)
            buffer.append(UInt8(ascii: "\""))
        }
        buffer.append("}}")
    }
}
