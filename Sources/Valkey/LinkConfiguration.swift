/// How a link behaves.
public struct LinkConfiguration: Sendable {
    /// Where Valkey is.
    public var endpoint: Endpoint
    /// How TLS is spoken, where the endpoint asks for it.
    public var tls = TLSConfiguration()
    /// Name by which Valkey lists the link's connections (`CLIENT LIST`).
    public var clientName: String
    /// Data connections, at least 1; each client connection keeps to one of them.
    public var connections: Int
    /// Longest time from the beginning of a connection attempt to a server that is ready.
    public var connectTimeout: Duration
    /// Most commands of a data connection that wait for a reply or to be sent.
    public var commandsMax: Int
    /// Most bytes of a data connection's commands that wait for a reply or to be sent.
    public var queuedBytesMax: Int
    /// Largest array reply taken in, in bytes; a larger one is passed over.
    public var replyBytesMax: Int
    /// Largest single value taken in, in bytes; a larger one costs the connection.
    public var valueBytesMax: Int

    /// The defaults for a server at `endpoint`.
    public init(endpoint: Endpoint) {
        self.endpoint = endpoint
        clientName = "squire"
        connections = 1
        connectTimeout = .seconds(2)
        commandsMax = 65_536
        queuedBytesMax = 64 << 20
        replyBytesMax = 32 << 20
        valueBytesMax = 64 << 20
    }
}
