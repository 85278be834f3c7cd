/// What a JSON value is, told by its first byte (RFC 8259 section 3).
public enum JSONKind: UInt8, Sendable {
    case object
    case array
    case string
    case number
    case `true`
    case `false`
    case null
}
