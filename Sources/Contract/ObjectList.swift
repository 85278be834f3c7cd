public import Bytes
public import JSON

/// An object inside a call, decoded from its members.
public protocol ObjectParameter {
    /// Decodes an object.
    ///
    /// - Parameter object: A value of kind object, lent for the length of the call.
    /// - Throws: ``InvalidParameters`` that names the member at fault.
    init(object: JSONValue) throws(InvalidParameters)
}

/// An array of objects in a call, every one of which can be decoded; lent for the length of the call.
///
/// Going through it decodes each object again, which needs no memory for those that are not looked at.
public struct ObjectList<Element: ObjectParameter>: Sequence {
    /// Number of objects, in the range that the method allows.
    public let count: Int
    private let array: JSONValue

    /// The array as written.
    public var text: ByteView { array.text }

    init(array: JSONValue, count: Int) {
        self.array = array
        self.count = count
    }

    /// Goes through the objects in the order written.
    public func makeIterator() -> Iterator {
        Iterator(elements: array.elements())
    }

    /// Hands out one object after the other.
    public struct Iterator: IteratorProtocol {
        fileprivate var elements: JSONElements

        /// The next object, or nil after the last.
        public mutating func next() -> Element? {
            guard let object = elements.next() else { return nil }
            do throws(InvalidParameters) {
                return try Element(object: object)
            } catch {
                preconditionFailure("the list was not checked: \(error)")
            }
        }
    }
}
