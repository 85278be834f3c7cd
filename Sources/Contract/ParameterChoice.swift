public import JSON

/// A string parameter that is one of a few words.
public protocol ParameterChoice: Sendable {
    /// The words, such as "absent or present".
    static var words: StaticString { get }

    /// The case that `text` names, or nil.
    init?(_ text: JSONString)
}
