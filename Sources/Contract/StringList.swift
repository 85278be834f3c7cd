public import JSON

/// An array of strings in a call, every one of which follows its rule; lent for the length of the call.
///
/// Going through it scans the text again, which is cheaper than keeping the elements.
public struct StringList: Sequence {
    /// Number of strings, in the range that the method allows.
    public let count: Int
    private let array: JSONValue

    init(array: JSONValue, count: Int) {
        self.array = array
        self.count = count
    }

    /// Goes through the strings in the order written.
    public func makeIterator() -> Iterator {
        Iterator(elements: array.elements())
    }

    /// Hands out one string after the other.
    public struct Iterator: IteratorProtocol {
        fileprivate var elements: JSONElements

        /// The next string, or nil after the last.
        public mutating func next() -> JSONString? {
            guard let element = elements.next() else { return nil }
            guard let string = element.string else { preconditionFailure("the list was not checked") }
            return string
        }
    }
}
