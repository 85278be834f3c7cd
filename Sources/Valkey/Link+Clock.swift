import Bytes
import EventLoop
import Linux

extension Link {
    /// How long the server may take to tell the time.
    private static let timeTimeout = Duration.seconds(5)

    /// What the server's clock shows now, without asking it.
    ///
    /// Each connection begins with the question, and an estimate older than ten seconds is refreshed behind the caller's
    /// back. Where the server tells no time, the host's own clock stands for it.
    public var serverTime: ServerClock.Reading {
        let now = EventLoop.reactor.now
        if clock.isStale(at: now) { askTime(now) }
        return clock.reading(at: now)
            ?? ServerClock.Reading(milliseconds: WallClock.milliseconds, errorMilliseconds: 0)
    }

    private func askTime(_ now: Instant) {
        guard !isTimeAsked else { return }
        isTimeAsked = true
        let sent = Instant.now
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Purpose.time.rawValue, call: UInt64(bitPattern: sent.nanoseconds)),
            effect: .write,
            deadline: sent.advanced(by: Link.timeTimeout)
        )
        send(request, lane: 0) { $0.append(command: "TIME") }
    }

    /// Takes in the answer to `TIME`.
    func receivedTime(_ reply: Reply, _ completion: Completion) {
        isTimeAsked = false
        guard let microseconds = reply.microseconds else { return }
        clock.sample(microseconds, sent: Instant(nanoseconds: Int64(bitPattern: completion.call)), received: .now)
    }
}

extension Reply {
    /// The Unix time in microseconds that a reply to `TIME` tells: seconds, and microseconds of the second.
    var microseconds: Int64? {
        var parts = elements()
        guard let seconds = parts.next()?.bytes.integer, let fraction = parts.next()?.bytes.integer,
            (0..<1_000_000).contains(fraction), (0..<(1 << 38)).contains(seconds)
        else { return nil }
        return seconds * 1_000_000 + fraction
    }
}
