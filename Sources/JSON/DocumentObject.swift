/// The members of a JSON object, in the order in which they were written, each name once.
///
/// Lookup is a search from the front: documents are small, and most objects in them have a handful of members.
public struct DocumentObject: Sendable {
    /// A name and its value.
    public struct Member: Sendable {
        /// The name, compared byte for byte.
        public let name: String
        /// The value.
        public var value: Document
    }

    /// Every member, in order.
    public private(set) var members: [Member] = []

    /// An object without members.
    public init() {}

    /// Number of members.
    public var count: Int { members.count }

    /// Whether there is no member.
    public var isEmpty: Bool { members.isEmpty }

    /// The names, in order.
    public var names: [String] { members.map(\.name) }

    /// The value called `name`.
    ///
    /// A new one is added at the end, nil removes it.
    ///
    /// - Complexity: O(n) in the number of members.
    public subscript(name: String) -> Document? {
        get {
            position(of: name).map { members[$0].value }
        }
        set {
            switch (position(of: name), newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// Adds a member whose name is known to be new.
    mutating func append(name: String, value: Document) {
        members.append(Member(name: name, value: value))
    }

    private func position(of name: String) -> Int? {
        // Not `==`: Swift would take a composed and a decomposed "é" for the same name.
        members.firstIndex { $0.name.utf8.elementsEqual(name.utf8) }
    }
}

extension DocumentObject: Sequence {
    /// The members, in order.
    public func makeIterator() -> IndexingIterator<[Member]> {
        members.makeIterator()
    }
}

extension DocumentObject: Equatable {
    /// Whether both have the same members, in whatever order.
    public static func == (left: DocumentObject, right: DocumentObject) -> Bool {
        guard left.count == right.count else { return false }
        for (index, member) in left.members.enumerated() {
            // Mostly they stand in the same order, and then no search is needed.
            let twin = right.members[index]
            let value = twin.name.utf8.elementsEqual(member.name.utf8) ? twin.value : right[member.name]
            guard value == member.value else { return false }
        }
        return true
    }
}
