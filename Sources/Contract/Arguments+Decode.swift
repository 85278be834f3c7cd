import JSON
import JSONRPC

extension Arguments {
    /// Refuses more positions than the method has parameters.
    func checkCount(atMost limit: Int) throws(InvalidParameters) {
        guard form == .positional, count > limit else { return }
        let parameters = limit == 1 ? "1 parameter" : "\(limit) parameters"
        throw InvalidParameters("[\(limit)]", "is one too many: this method has \(limit == 0 ? "none" : parameters)")
    }

    /// Whether `argument` is a null that only holds a position for those behind it.
    func isPlaceholder(_ argument: Argument) -> Bool {
        form == .positional && argument.value.kind == .null
    }
}

extension Argument {
    /// Lets `_meta` pass, which ``CallMetadata`` decodes, and refuses every other name.
    func checkMetadata() throws(InvalidParameters) {
        guard name.equals("_meta") else { throw .unknown(name) }
    }
}
