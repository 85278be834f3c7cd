import Channels
import Configuration

extension ChannelSettings {
    /// The bounds that a configuration sets.
    init(_ channels: Configuration.Channels) {
        self.init(
            queueMax: channels.queueMax,
            queueBytesMax: channels.queueBytesMax,
            queuedBytesMax: channels.queuedBytesMax,
            subscriptionsMax: channels.subscriptionsMax
        )
    }
}
