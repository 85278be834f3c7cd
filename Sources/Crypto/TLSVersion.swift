import COpenSSL

/// A version of TLS; older ones are not spoken (RFC 8996).
public enum TLSVersion: String, CaseIterable, Sendable {
    /// TLS 1.2 (RFC 5246).
    case tls12 = "1.2"
    /// TLS 1.3 (RFC 8446).
    case tls13 = "1.3"

    var number: Int32 {
        switch self {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}
