public import JSON

extension CacheGetParameters {
    /// Takes the two parameters that most reads have, and the defaults of the others.
    ///
    /// - Returns: Nil where one breaks its rule; decoding all then says which.
    public init?(key: JSONString, namespace: JSONString?) {
        guard StringRule.nonEmpty.allows(key), namespace.map(StringRule.namespace.allows) != false else { return nil }
        self.key = key
        self.namespace = namespace
        fresh = false
        withTTL = false
        leaseMilliseconds = nil
        waitMilliseconds = 0
        withTags = false
    }
}
