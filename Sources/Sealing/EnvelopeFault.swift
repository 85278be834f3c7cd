/// Why what lies under a session's key is no session that can be read.
///
/// Callers are told none of it: to them there is no session. Counters, the log and the audit tell the causes apart.
public enum EnvelopeFault: Error, Equatable, Sendable, CaseIterable {
    /// It is shorter than the shortest envelope, or no string at all.
    case truncated
    /// It is of a version or an algorithm that this agent does not know.
    case newerVersion
    /// It is sealed under a key that this agent does not hold.
    case unknownKey
    /// It is genuine in itself, but was sealed for another session, namespace or purpose.
    case misplaced
    /// Its bytes are not those that were sealed.
    case damaged

    /// The fault's name in counters and logs.
    public var name: String {
        switch self {
        case .truncated: "truncated"
        case .newerVersion: "newer_version"
        case .unknownKey: "unknown_key"
        case .misplaced: "misplaced"
        case .damaged: "damaged"
        }
    }
}
