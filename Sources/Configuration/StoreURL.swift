public import Valkey

/// The URL of a store, with what must not be shown kept apart from what may.
public struct StoreURL: Equatable, Sendable {
    /// The server that the URL names, password included.
    public let endpoint: Endpoint
    /// The URL as it was written, with `***` instead of a password.
    public let masked: String

    /// Reads a URL; see ``Endpoint/init(url:)`` for the forms.
    ///
    /// - Throws: `EndpointFault`, whose words never repeat a password.
    public init(_ text: String) throws(EndpointFault) {
        endpoint = try Endpoint(url: text)
        masked = Self.masked(text)
    }

    /// Names the server at a port of a host.
    init(host: String, port: UInt16) {
        endpoint = Endpoint(address: .tcp(host: host, port: port))
        masked = "valkey://\(endpoint.description)"
    }

    /// `text`, a URL that was understood, without its password.
    private static func masked(_ text: String) -> String {
        guard let scheme = text.firstRange(of: "://") else { return text }
        let rest = text[scheme.upperBound...]
        // A path begins with a slash, and an @ in it separates nothing.
        guard !rest.hasPrefix("/"), let at = rest.lastIndex(of: "@"),
            let colon = rest[..<at].firstIndex(of: ":")
        else { return text }
        return text[..<rest.index(after: colon)] + "***" + rest[at...]
    }
}
