import Linux

/// The variables by which containers are told where Valkey is: `VALKEY_HOST` and `VALKEY_PORT`.
public enum ServerVariables {
    /// Name of the variable with the host.
    public static let host = "VALKEY_HOST"
    /// Name of the variable with the port.
    public static let port = "VALKEY_PORT"

    /// The server that they name; nil where neither is set.
    ///
    /// Where only one is set, the other has the default that it has in a URL.
    static func url(_ environment: ProcessEnvironment) throws(ConfigurationFault) -> StoreURL? {
        let (hostText, portText) = (environment[host], environment[port])
        if hostText == nil, portText == nil { return nil }
        guard let host = hostName(hostText ?? "localhost") else {
            throw ConfigurationFault("\(Self.host) must be a host name or an IP address")
        }
        guard let port = UInt16(portText ?? "6379"), port > 0 else {
            throw ConfigurationFault("\(Self.port) must be an integer from 1 to 65535")
        }
        return StoreURL(host: host, port: port)
    }

    /// A host's name or address, without the brackets that an IPv6 address has in a URL.
    private static func hostName(_ text: String) -> String? {
        let name = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "-._:%".utf8.contains(byte)
            }
        }
        return isPlain && (1...253).contains(name.utf8.count) ? name : nil
    }
}
