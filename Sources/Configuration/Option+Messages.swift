extension Option {
    /// Bounds on channels and topics.
    static let messages: [Option] = [
        Option(
            "channels.queue_max",
            \.channels.queueMax,
            .count(1...65_536),
            "Most messages of a channel that wait for a subscriber that names no `queue` of its own."
        ),
        Option(
            "channels.queue_bytes_max",
            \.channels.queueBytesMax,
            .count(1024...1 << 30),
            "Most bytes of messages that wait for one subscriber of a channel; a single message may be longer."
        ),
        Option(
            "channels.queued_bytes_max",
            \.channels.queuedBytesMax,
            .count(65_536...64 << 30),
            "Most bytes of messages that wait for all subscribers of channels; what many wait for counts for each."
        ),
        Option(
            "channels.subscriptions_max",
            \.channels.subscriptionsMax,
            .count(1...1_048_576),
            "Most subscriptions of one connection to channels."
        ),
        Option(
            "topics.length_max",
            \.topics.lengthMax,
            .count(1...1_000_000_000),
            "Most messages in a topic whose publisher names no `length_max`; beyond, those that every group has handled "
                + "make room, and where that is not enough publishing ends with `topic_full`."
        ),
    ]
}
