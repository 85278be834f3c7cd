public import Store

/// What is leased.
public enum LeaseKind: UInt8, CaseIterable, Sendable {
    /// A lock, exclusive or shared.
    case lock
    /// Permits of a semaphore.
    case semaphore
    /// The lead of an election.
    case leader

    /// The family of the keys that tell who holds it.
    public var holders: KeyFamily {
        switch self {
        case .lock: .lock
        case .semaphore: .semaphore
        case .leader: .leader
        }
    }

    /// The family of the keys that tell who waits for it.
    public var queue: KeyFamily {
        switch self {
        case .lock: .lockQueue
        case .semaphore: .semaphoreQueue
        case .leader: .leaderQueue
        }
    }

    /// The word, such as `lock`.
    public var word: StaticString { holders.word }
}

/// How much of something is leased, and of how much.
///
/// A lock is a semaphore with room for very many: whoever shares it takes one place, whoever has it alone takes all.
public enum LeaseWeight {
    /// Places of a lock.
    public static let all: Int64 = 1_000_000
    /// Most permits of a semaphore.
    public static let permitsMax: Int64 = 1_000_000
}
