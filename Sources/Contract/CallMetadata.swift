public import JSON
public import JSONRPC

/// What accompanies a call as `_meta`, lent for the length of the call.
///
/// It is given by name only. Members that are not listed here are ignored, so that callers may add their own.
public struct CallMetadata {
    /// Bound on the whole call in milliseconds, from 1 to ``deadlineMax``; nil for the method's default.
    public let deadlineMilliseconds: Int64?
    /// Trace context of the caller in the form of W3C Trace Context, to be carried into logs and error data.
    public let traceparent: JSONString?

    /// Longest deadline, 100 years in milliseconds, so that adding it to the time of day cannot overflow.
    public static let deadlineMax: Int64 = 3_153_600_000_000

    /// Finds and decodes `_meta` among the parameters of a call.
    ///
    /// - Throws: ``InvalidParameters`` that names `_meta` or its member at fault.
    public init(_ arguments: Arguments) throws(InvalidParameters) {
        var metadata: JSONValue?
        if arguments.form == .named {
            for index in 0..<arguments.count where arguments[index].name.equals("_meta") {
                guard metadata == nil else { throw .repeated("_meta") }
                metadata = arguments[index].value
            }
        }
        guard let metadata else {
            deadlineMilliseconds = nil
            traceparent = nil
            return
        }
        guard metadata.kind == .object else { throw InvalidParameters("_meta", "must be an object") }
        var deadline: Int64?
        var trace: JSONString?
        var members = metadata.members()
        while let (name, value) = members.next() {
            if name.equals("deadline_ms") {
                try value.decode(into: &deadline, named: "_meta.deadline_ms", in: 1...Self.deadlineMax)
            } else if name.equals("traceparent") {
                try value.decode(into: &trace, named: "_meta.traceparent", .traceparent)
            }
        }
        deadlineMilliseconds = deadline
        traceparent = trace
    }
}
