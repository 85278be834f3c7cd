import Linux
import RPCClient
import Synchronization
import TestSupport

/// Clients that each count up a key of their own, every increment under a name and repeated until it has a result.
final class RequestLoad: Sendable {
    /// What one client did.
    struct Count: Sendable {
        /// The key.
        let key: String
        /// Increments that have a result.
        var increments = 0
        /// Calls that were made again.
        var repetitions = 0
        /// Results that were not what the increment's first execution must have had, and errors that must not be.
        var wrong: [String] = []
    }

    /// The longest that one increment may take, all of its repetitions included.
    private static let patience = Duration.seconds(60)

    private let done = Atomic(0)
    private let repeated = Atomic(0)
    private let isStopping = Atomic(false)

    /// Increments that have a result, of all clients.
    var increments: Int { done.load(ordering: .relaxed) }

    /// Calls that were made again, of all clients.
    var repetitions: Int { repeated.load(ordering: .relaxed) }

    /// Runs `body` while `clients` clients count.
    ///
    /// - Returns: What each of them did.
    /// - Throws: What `body` throws, or `RPCClientError` where the agent does not answer.
    static func run(
        clients: Int,
        on daemon: Daemon,
        _ body: (RequestLoad) async throws -> Void
    ) async throws -> [Count] {
        let load = RequestLoad()
        let path = daemon.socketPath
        let tasks = (0..<clients).map { number in
            Task { try await onThread { try load.count("requests:\(number)", path) } }
        }
        do {
            try await body(load)
        } catch {
            load.isStopping.store(true, ordering: .relaxed)
            for task in tasks { _ = await task.result }
            throw error
        }
        load.isStopping.store(true, ordering: .relaxed)
        var counts: [Count] = []
        for task in tasks { counts.append(try await task.value) }
        return counts
    }

    /// The parameters of the increment `number` of `key`.
    static func params(_ key: String, _ number: Int, by: Int = 1) -> JSONFragment? {
        let meta = #""_meta":{"deadline_ms":500}"#
        let members = #""key":"\#(key)","by":\#(by),"ttl_ms":null,"request_id":"n\#(number)""#
        return JSONFragment("{\(members),\(meta)}")
    }

    private func count(_ key: String, _ path: String) throws -> Count {
        var count = Count(key: key)
        let client = try RPCClient(path: path, until: Instant.now.advanced(by: Self.patience))
        while !isStopping.load(ordering: .relaxed) {
            let number = count.increments + 1
            let end = Instant.now.advanced(by: Self.patience)
            var reply = try client.call("cache.increment", params: Self.params(key, number), until: end)
            while let error = reply.error {
                let isPassing = ["unavailable", "deadline_exceeded", "ambiguous", "valkey_error"].contains(error.kind)
                if !isPassing { count.wrong.append(reply.text.text) }
                guard isPassing, Instant.now < end else { return count }
                count.repetitions += 1
                repeated.add(1, ordering: .relaxed)
                // A client that is turned away waits a moment, as it is told to; here the shortest that makes sense.
                _ = client.exchange(until: Instant.now.advanced(by: .milliseconds(2)))
                reply = try client.call("cache.increment", params: Self.params(key, number), until: end)
            }
            // Nobody else counts this key up: the outcome of the first execution is known.
            if reply.result?["value"]?.integer != Int64(number) { count.wrong.append("\(number): \(reply.text.text)") }
            count.increments = number
            done.add(1, ordering: .relaxed)
        }
        return count
    }
}
