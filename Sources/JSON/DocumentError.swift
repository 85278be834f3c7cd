/// Why a text is not a document, and where.
///
/// The message quotes nothing of the text: what stands there may be a secret.
public struct DocumentError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, in a few words without a full stop.
    public let message: String
    /// Line of the fault, from 1.
    public let line: Int
    /// Column of the fault in its line, in characters, from 1.
    public let column: Int
    /// Offset of the fault in the text, in bytes, from 0.
    public let position: Int

    /// `line 3, column 14: duplicate object key`.
    public var description: String {
        "line \(line), column \(column): \(message)"
    }
}
