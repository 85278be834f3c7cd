public import JSON

/// The parameters of a call of `cache.set` that has no others than these, as most have.
public struct PlainWrite {
    /// Name of the entry: text of at least one byte.
    public let key: JSONString
    /// A JSON value of any kind, kept byte for byte as it was written.
    public let value: JSONValue
    /// Namespace that the name belongs to.
    public let namespace: JSONString?
    /// Life in milliseconds; null for no end.
    public let life: NullableInteger

    /// Longest life that is looked at here, in milliseconds: far below what the method allows.
    private static let lifeMax: Int64 = 1_000_000_000

    /// Takes the parameters.
    ///
    /// Nil where one breaks its rule or comes near to it; decoding all then says whether it does, and which.
    public init?(key: JSONString, value: JSONValue, namespace: JSONString?, life: JSONValue?) {
        guard StringRule.nonEmpty.allows(key), namespace.map(StringRule.namespace.allows) != false else { return nil }
        self.key = key
        self.value = value
        self.namespace = namespace
        switch life?.kind {
        case nil: self.life = .absent
        case .null: self.life = .null
        case .number:
            guard let milliseconds = life?.integer, 1...PlainWrite.lifeMax ~= milliseconds else { return nil }
            self.life = .value(milliseconds)
        default: return nil
        }
    }
}
