import Bytes
import Contract
import JSON
import JSONRPC

/// The `params` of a request as text, decoded by the parser that the agent uses.
enum CallText {
    /// A text that is not a request, which is a mistake of the test.
    struct Unusable: Error {}

    /// Lends the arguments of a request to `body`; where `params` is nil, the request has none.
    static func decode<Result>(
        _ params: String?,
        _ body: (Arguments) throws(InvalidParameters) -> Result
    ) throws -> Result {
        let members = params.map { #","params":"# + $0 } ?? ""
        let text = #"{"jsonrpc":"2.0","id":1,"method":"m""# + members + "}"
        let parser = RequestParser(limits: RPCLimits())
        return try text.withByteView { view throws(any Error) in
            guard case .request(let request) = parser.parse(view) else { throw Unusable() }
            return try body(request.arguments)
        }
    }

    /// The fault that `body` finds in the arguments, or nil.
    static func fault<Result>(
        of params: String?,
        _ body: (Arguments) throws(InvalidParameters) -> Result
    ) throws -> InvalidParameters? {
        do {
            _ = try decode(params, body)
            return nil
        } catch let fault as InvalidParameters {
            return fault
        }
    }
}
