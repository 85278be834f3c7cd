/// The members of a JSON object, in the order in which they were written, each name once.
///
/// Lookup is a search from the front: documents are small, and most objects in them have a handful of members.
package struct DocumentObject: Sendable {
    /// A name and its value.
    package struct Member: Sendable {
        /// The name, compared byte for byte.
        package let name: String
        /// The value.
        package var value: Document
    }

    /// Every member, in order.
    package private(set) var members: [Member] = []

    /// An object without members.
    package init() {}

    /// Number of members.
    package var count: Int { members.count }

    /// Whether there is no member.
    package var isEmpty: Bool { members.isEmpty }

    /// The names, in order.
    package var names: [String] { members.map(\.name) }

    /// The value called `name`.
    ///
    /// A new one is added at the end, nil removes it.
    ///
    /// - Complexity: O(n) in the number of members.
    package subscript(name: String) -> Document? {
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
    package func makeIterator() -> IndexingIterator<[Member]> {
        members.makeIterator()
    }
}

extension DocumentObject: Equatable {
    /// Whether both have the same members, in whatever order.
    package static func == (left: DocumentObject, right: DocumentObject) -> Bool {
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
