import RPCClient

/// The methods that this build of the program knows, read one at a time.
///
/// A call reads the description of its own method and no other, which keeps the start of the program short.
public struct Catalogue: Sendable {
    /// Names of all methods, sorted.
    let names: [String]
    private let document: @Sendable (String) -> String?

    /// Makes a catalogue.
    ///
    /// - Parameters:
    ///   - names: Names of all methods.
    ///   - document: Gives the OpenRPC method object of a name, nil for a name that is unknown.
    public init(names: [String], document: @escaping @Sendable (String) -> String?) {
        self.names = names.sorted()
        self.document = document
    }

    /// The description of `name`; nil where the method is unknown.
    func method(_ name: String) -> MethodDescription? {
        document(name).flatMap { JSONFragment($0) }.flatMap { MethodDescription($0) }
    }
}
