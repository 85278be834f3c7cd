import JSON
import Linux

/// Where monitoring finds the agent: on this host only.
public enum TelemetryAddress: Equatable, Sendable {
    /// A port of the loopback interface, of IPv6 or else of IPv4.
    case loopback(isIPv6: Bool, port: UInt16)
    /// A Unix socket at an absolute path.
    case unix(path: String)

    /// Reads `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT` or an absolute path; nil for everything else.
    init?(_ text: String) {
        if text.hasPrefix("/") {
            guard text.utf8.count <= Socket.pathBytesMax, !text.utf8.contains(0) else { return nil }
            self = .unix(path: text)
            return
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
            return nil
        }
        switch text[..<colon] {
        case "127.0.0.1", "localhost": self = .loopback(isIPv6: false, port: port)
        case "[::1]": self = .loopback(isIPv6: true, port: port)
        default: return nil
        }
    }

    /// The address as it is configured.
    public var text: String {
        switch self {
        case .loopback(let isIPv6, let port): "\(isIPv6 ? "[::1]" : "127.0.0.1"):\(port)"
        case .unix(let path): path
        }
    }
}

extension OptionKind where Value == TelemetryAddress {
    /// A port of the loopback interface, or the path of a Unix socket.
    static var telemetryAddress: OptionKind {
        OptionKind(
            expectation: "127.0.0.1:PORT, [::1]:PORT, localhost:PORT or the absolute path of a Unix socket",
            schema: DocumentObject([
                ("type", "string"), ("pattern", "^(/|(127\\.0\\.0\\.1|localhost|\\[::1\\]):[0-9]{1,5}$)"),
            ]),
            decode: { (document) throws(Refusal) in
                guard let address = document.string.flatMap(TelemetryAddress.init) else { throw Refusal() }
                return address
            },
            encode: { .string($0.text) }
        )
    }
}
