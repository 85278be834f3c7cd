/// What is subscribed to: one channel, or all whose names match a pattern.
public struct SubscriptionTarget: Hashable, Sendable {
    /// The channel's name or the glob, as Valkey knows it, any bytes.
    public let name: [UInt8]
    /// Whether the name is a glob.
    public let isPattern: Bool

    /// The channel called `name`.
    public static func channel(_ name: [UInt8]) -> SubscriptionTarget {
        SubscriptionTarget(name: name, isPattern: false)
    }

    /// Every channel whose name matches `glob`.
    public static func pattern(_ glob: [UInt8]) -> SubscriptionTarget {
        SubscriptionTarget(name: glob, isPattern: true)
    }
}
