/// How sensitive the data of a namespace are, and what follows from that.
public enum DataClass: String, CaseIterable, Comparable, Sendable {
    /// Anybody may know them.
    case `public`
    /// Nobody outside needs to know them: what a namespace is unless it says otherwise.
    case `internal`
    /// Harm follows where others learn them.
    case confidential
    /// Grave harm follows where others learn them.
    case restricted

    /// Orders by sensitivity, the least first.
    public static func < (left: DataClass, right: DataClass) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .public: 0
        case .internal: 1
        case .confidential: 2
        case .restricted: 3
        }
    }

    /// Whether data may only be stored encrypted, as sessions always are.
    public var isEncryptedAtRest: Bool { self >= .confidential }
    /// Whether copies may be kept in the agent's memory, where they lie in plain text.
    public var mayBeNear: Bool { self < .restricted }
    /// Whether calls that change something are recorded, whatever the classes of the audit are.
    public var recordsChanges: Bool { self >= .confidential }
    /// Whether calls that read are recorded too.
    public var recordsReads: Bool { self >= .restricted }
    /// Longest life of anything in the namespace: 30 days or one; nil for no bound.
    public var lifeMax: Duration? {
        switch self {
        case .public, .internal: nil
        case .confidential: .seconds(30 * 86_400)
        case .restricted: .seconds(86_400)
        }
    }
}
