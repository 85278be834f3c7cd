import JSONRPC

extension Option {
    /// Bounds on one client connection.
    static let connectionLimits: [Option] = [
        Option(
            "limits.message_bytes_max",
            \.limits.connection.messageBytesMax,
            .count(1024...64 << 20),
            "Longest message of a client."
        ),
        Option(
            "limits.reply_bytes_max",
            \.limits.connection.replyBytesMax,
            .count(1024...256 << 20),
            "Longest reply; a longer one becomes the error `too_large`."
        ),
        Option(
            "limits.depth_max",
            \.limits.connection.depthMax,
            .count(2...512),
            "Most arrays and objects within each other in a message."
        ),
        Option("limits.batch_max", \.limits.connection.batchMax, .count(1...100_000), "Most calls in a batch."),
        Option(
            "limits.id_bytes_max",
            \.limits.connection.idBytesMax,
            .count(16...65_536),
            "Longest id of a call, as it is written."
        ),
        Option("limits.connections_max", \.limits.connectionsMax, .count(1...1_000_000), "Most clients at once."),
        Option(
            "limits.running_max",
            \.limits.connection.runningMax,
            .count(1...1_048_576),
            "Most calls of a connection that run at once; beyond, its socket is not read."
        ),
        Option(
            "limits.waiting_max",
            \.limits.connection.waitingMax,
            .count(1...1_048_576),
            "Most calls of a connection that wait for others, such as for a lock; beyond, they are `overloaded`."
        ),
        Option(
            "limits.output_bytes_high",
            \.limits.connection.outputBytesHigh,
            .count(4096...1 << 30),
            "Replies that a client has not read yet, beyond which its socket is not read."
        ),
        Option(
            "limits.output_bytes_max",
            \.limits.connection.outputBytesMax,
            .count(65_536...1 << 30),
            "Replies that a client has not read yet, beyond which its connection is closed."
        ),
    ]

    /// Bounds on calls and on what waits for Valkey.
    static let agentLimits: [Option] = [
        Option("limits.key_bytes_max", \.limits.keyBytesMax, .count(16...65_536), "Longest key that a call may name."),
        Option(
            "limits.deadline_ms",
            \.limits.deadline,
            .milliseconds(1...3_600_000),
            "Bound on a call that names none in `_meta.deadline_ms`."
        ),
        Option(
            "limits.sweep_deadline_ms",
            \.limits.sweepDeadline,
            .milliseconds(1...86_400_000),
            "The same for calls over many keys, such as `cache.invalidate` by pattern."
        ),
        Option(
            "limits.commands_max",
            \.limits.commandsMax,
            .count(16...16_777_216),
            "Most commands of a connection to Valkey that wait for a reply or to be sent."
        ),
        Option(
            "limits.queued_bytes_max",
            \.limits.queuedBytesMax,
            .count(1 << 20...4 << 30),
            "Most bytes of these commands."
        ),
    ]
}
