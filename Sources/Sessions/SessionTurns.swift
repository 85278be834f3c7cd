import EventLoop

/// Lets changes of one session through this agent take turns: each then meets what the last one wrote, and the
/// comparison in Valkey fails for changes of other agents only.
@EventLoop
final class SessionTurns {
    private var waiting: [[UInt8]: [CheckedContinuation<Void, Never>]] = [:]

    /// Sessions whose change runs.
    var count: Int { waiting.count }

    /// Waits until no change that began before runs; ``leave(_:)`` must follow.
    func enter(_ name: [UInt8]) async {
        guard waiting[name] != nil else {
            waiting[name] = []
            return
        }
        await withCheckedContinuation { continuation in waiting[name, default: []].append(continuation) }
    }

    /// Lets the next change run.
    func leave(_ name: [UInt8]) {
        guard waiting[name]?.isEmpty == false else {
            waiting[name] = nil
            return
        }
        waiting[name]?.removeFirst().resume()
    }
}
