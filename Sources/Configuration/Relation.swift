import JSON

/// A rule that binds two options: the one must not exceed the other.
public struct Relation: Sendable {
    /// Name of the option that is bound.
    public let lesser: String
    /// Name of the option that binds it.
    public let greater: String

    /// Every such rule.
    public static let all = [
        Relation(lesser: "limits.id_bytes_max", greater: "limits.message_bytes_max"),
        Relation(lesser: "limits.key_bytes_max", greater: "limits.message_bytes_max"),
        // What one message stores must be readable with one reply, and pass through the link at once.
        Relation(lesser: "limits.message_bytes_max", greater: "limits.reply_bytes_max"),
        Relation(lesser: "limits.message_bytes_max", greater: "limits.queued_bytes_max"),
        Relation(lesser: "limits.reply_bytes_max", greater: "limits.output_bytes_max"),
        Relation(lesser: "limits.output_bytes_high", greater: "limits.output_bytes_max"),
        Relation(lesser: "channels.queue_bytes_max", greater: "channels.queued_bytes_max"),
        Relation(lesser: "limits.deadline_ms", greater: "limits.sweep_deadline_ms"),
    ]

    /// The names of both.
    var names: [String] { [lesser, greater] }

    /// Whether it holds between the values of a configuration.
    func holds(in values: [String: Document]) -> Bool {
        guard let lesser = values[lesser]?.integer, let greater = values[greater]?.integer else { return true }
        return lesser <= greater
    }
}
