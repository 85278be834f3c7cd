public import Bytes
public import JSON

/// A request or notification of JSON-RPC 2.0, lent for the length of a call.
public struct Request {
    /// The method's name.
    public let method: JSONString
    /// The id as written, or nil for a notification.
    public let id: ByteView?
    /// The parameters.
    public let arguments: Arguments
}

/// What one message turned out to be.
public enum Message {
    /// A request or notification.
    case request(Request)
    /// JSON, but no request; `id` is what could be told of its id.
    case invalid(id: ByteView?, reason: String)
    /// An array: each of its elements is to be read by itself.
    case batch(JSONValue)
    /// Not JSON.
    case malformed(JSONFault)
}
