import Bytes
import EventLoop
import Linux
import Store
import Valkey

/// Removes what tags have left behind: entries that nobody can read any more, long before their own end.
///
/// After each invalidation by tag it walks once through the keys, so slowly that nobody notices. An agent that ends
/// meanwhile leaves the rest to the entries' lives and to eviction.
@EventLoop
final class TagSweep {
    /// Keys of one step.
    private static let page = 100
    /// Bytes of an entry that are looked at; heads are seldom longer.
    private static let headBytes = 2047
    private static let stepTimeout = Duration.seconds(5)

    private unowned let cache: Cache
    private let link: Link
    private let keyspace: Keyspace
    private var isWanted = false
    private var isRunning = false
    /// Keys that it looks at in a second; 0 for a sweep that is turned off.
    var keysPerSecond = 0
    /// Entries removed since the start.
    private(set) var removed: UInt64 = 0

    init(_ cache: Cache) {
        self.cache = cache
        link = cache.link
        keyspace = cache.keyspace
    }

    /// Begins to walk, or has the walk that is on its way followed by another.
    func begin() {
        guard keysPerSecond > 0 else { return }
        isWanted = true
        guard !isRunning else { return }
        isRunning = true
        Task { @EventLoop in
            while self.isWanted, self.keysPerSecond > 0 {
                self.isWanted = false
                await self.walk()
            }
            self.isRunning = false
        }
    }

    private func walk() async {
        var cursor = Array("0".utf8)
        repeat {
            do throws(LinkFailure) {
                guard let page = try await page(from: cursor) else { return }
                cursor = page.cursor
                try await look(at: page.keys.filter { keyspace.isName($0, of: .cache) })
            } catch {
                // Valkey is away: what is left goes with its own end.
                return
            }
            guard keysPerSecond > 0 else { return }
            let pause = Int64(TagSweep.page) * 1_000_000_000 / Int64(keysPerSecond)
            await EventLoop.reactor.timers.sleep(for: .nanoseconds(pause))
        } while cursor != Array("0".utf8)
    }

    private var deadline: Instant { Instant.now.advanced(by: TagSweep.stepTimeout) }

    private func page(from cursor: [UInt8]) async throws(LinkFailure) -> (cursor: [UInt8], keys: [[UInt8]])? {
        let reply = try await link.call(.read, deadline: deadline) { command in
            command.append(commandOf: 6)
            command.append(word: "SCAN")
            cursor.withByteView { command.append(word: $0) }
            command.append(word: "MATCH")
            keyspace.glob(.cache).withByteView { command.append(word: $0) }
            command.append(word: "COUNT")
            command.append(word: Int64(TagSweep.page))
        }
        guard let elements = reply.elements, elements.count == 2, let next = elements[0].bytes else { return nil }
        return (next, elements[1].elements?.compactMap(\.bytes) ?? [])
    }

    /// Removes those of some entries whose tags have moved on.
    private func look(at keys: [[UInt8]]) async throws(LinkFailure) {
        guard !keys.isEmpty else { return }
        let reply = try await link.call(.read, deadline: deadline, replies: keys.count + 2) { command in
            command.append("*1\r\n$5\r\nMULTI\r\n")
            for key in keys {
                command.append(commandOf: 4)
                command.append(word: "GETRANGE")
                key.withByteView { command.append(word: $0) }
                command.append(word: 0)
                command.append(word: Int64(TagSweep.headBytes))
            }
            command.append("*1\r\n$4\r\nEXEC\r\n")
        }
        guard let elements = reply.elements, elements.count == keys.count else { return }
        let entries = zip(keys, elements).map { ReadEntry(name: $0, stored: $1.bytes ?? []) }
        let tagged = entries.filter { entry in
            entry.stored.withByteView { EntryHead($0).map { $0.tagCount > 0 } ?? false }
        }
        removed += UInt64(try await cache.outdated(tagged, deadline, 0).count { $0 })
    }
}
