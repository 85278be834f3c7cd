import Crypto
import EventLoop

/// As whom a link speaks to its server, and how it knows that it is its server: what new connections use.
@EventLoop
final class Credentials {
    /// The server, with user and password.
    private(set) var endpoint: Endpoint
    /// The files of certificates, and what else TLS needs.
    private(set) var tls: TLSConfiguration
    /// What those files held when they were read last; nil until the first connection.
    private(set) var context: TLSContext?
    private var ticket: TLSTicket?

    init(_ configuration: LinkConfiguration) {
        endpoint = configuration.endpoint
        tls = configuration.tls
    }

    /// Whom the server's certificate has to name.
    var serverName: String {
        if let name = tls.serverName { return name }
        guard case .tcp(let host, _) = endpoint.address else { return "" }
        // The zone of a link-local address is this host's own affair (RFC 6874).
        return host.contains(":") ? String(host.prefix { $0 != "%" }) : host
    }

    /// Keeps a context made of the files for all connections, and gives the one that is to be used.
    func settle(_ made: TLSContext) -> TLSContext {
        let context = context ?? made
        self.context = context
        return context
    }

    /// Takes up other credentials for connections from now on.
    ///
    /// - Parameters:
    ///   - configuration: Where they stand; its address is not looked at.
    ///   - context: What its files hold; nil where TLS is not spoken.
    func adopt(_ configuration: LinkConfiguration, _ context: TLSContext?) {
        endpoint.user = configuration.endpoint.user
        endpoint.password = configuration.endpoint.password
        tls = configuration.tls
        self.context = context
        ticket = nil
    }

    /// The ticket of an earlier connection, which serves one connection only (RFC 8446 appendix C.4).
    func takeTicket() -> TLSTicket? {
        defer { ticket = nil }
        return ticket
    }

    /// Keeps the ticket of a connection that ends, unless it was made under a context that is no longer used.
    func keep(_ ticket: TLSTicket?, of context: TLSContext) {
        guard context === self.context, let ticket else { return }
        self.ticket = ticket
    }
}
