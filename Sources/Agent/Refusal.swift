import Bytes

/// Last words to a connection that cannot be served.
struct Refusal {
    /// What is written before the connection closes.
    let bytes: [UInt8]

    /// To a browser or an HTTP client.
    static let http = Refusal(
        head: "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n",
        body: """
            This is the socket of squired. It speaks JSON-RPC 2.0, one message a line, not HTTP.
            Try: echo '{"jsonrpc":"2.0","id":1,"method":"agent.ping"}' | nc -U -N SOCKET

            """
    )

    /// To a client whose `Content-Length` header cannot be read: where its next message begins is unknown.
    static let unreadableHeader = Refusal(
        head: "",
        body: """
            {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the header cannot be read: it must be \
            Content-Length: N, an empty line, then N bytes","data":{"kind":"parse_error","retryable":false}}}
            """
    )

    /// To a client beyond the number of connections.
    static let tooManyConnections = Refusal(
        bytes: Array(
            """
            {"jsonrpc":"2.0","id":null,"error":{"code":1003,"message":"the agent has as many connections as it may",\
            "data":{"kind":"overloaded","retryable":true,"retry_after_ms":1000}}}

            """.utf8
        )
    )

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Writes a header with the body's length before it.
    private init(head: String, body: String) {
        bytes = Array("\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }
}
