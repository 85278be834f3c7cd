import Bytes
import Contract
import JSON
import RPCClient

extension Catalogue {
    /// The methods of the contract that this program was built with.
    public static var compiled: Catalogue {
        Catalogue(names: Method.allCases.map { "\($0.name)" }) { name in
            name.withByteView { Method.named($0) }.map { "\(OpenRPC.document(of: $0))" }
        }
    }

    /// The version of the contract, which is the program's (semver.org).
    static var version: String {
        "\(OpenRPC.version)"
    }
}
