/// How sessions behave, beyond what each call says.
public struct SessionSettings: Equatable, Sendable {
    /// What happens to one session too many of a subject.
    public enum LimitPolicy: String, Sendable, CaseIterable {
        /// The oldest one ends.
        case evictOldest = "evict_oldest"
        /// The new one is refused.
        case reject
    }

    /// Most sessions of one subject in one namespace, at least 1.
    public var perSubjectMax = 100
    /// What happens to one more.
    public var policy = LimitPolicy.evictOldest
    /// Longest text of what a session holds, in bytes.
    public var dataBytesMax = 1 << 20

    /// Longest life of a session in milliseconds by namespace, where the class of its data bounds it; the empty name is
    /// that of the namespace without one.
    public var lifetimeMax: [[UInt8]: Int64] = [:]

    /// The defaults.
    public init() {}
}
