import Glibc
import JSON
import Linux
import RPCClient
import RPCUsage

/// Runs a command while a lock is held, or while this program leads an election.
///
/// The command is asked to end (SIGTERM) when what protects it is lost, and what is left of its process group is ended by
/// force (SIGKILL) before anybody else can have it. Of a lock this program knows by itself until when that is: it renews
/// the lease and counts from when each renewal left. So it needs no word of the agent, which may be gone. Whoever leaves
/// the process group is out of its reach.
///
/// A command that is stopped at a terminal (Ctrl-Z) stops this program too. A lock's life runs on meanwhile; when it is
/// over, the command is ended in the place of going on.
struct Execution {
    /// The life of a lease in milliseconds where none is given, as `proto/` has it.
    private static let lifeDefault: Int64 = 30_000

    private let invocation: Invocation
    private let catalogue: Catalogue
    private let console: Console
    private let connection: AgentConnection

    init(_ invocation: Invocation, _ catalogue: Catalogue, _ console: Console, _ connection: AgentConnection) {
        self.invocation = invocation
        self.catalogue = catalogue
        self.console = console
        self.connection = connection
    }

    /// Runs `command`.
    ///
    /// - Parameters:
    ///   - method: `lock.exec` or `leader.exec`.
    ///   - words: Parameters of `lock.acquire` or `leader.campaign`.
    ///   - command: The program and its arguments, byte for byte.
    /// - Returns: The command's exit status.
    /// - Throws: ``CommandError`` where it was not started: `.answerIsNo` where the lock was not had.
    func run(_ method: String, _ words: [String], _ command: [[UInt8]]) throws(CommandError) -> Int32 {
        let isLock = method == "lock.exec"
        let asked = isLock ? "lock.acquire" : "leader.campaign"
        let call = Call(invocation: invocation, catalogue: catalogue, console: console, connection: connection)
        guard let description = catalogue.method(asked) else { preconditionFailure("the contract has \(asked)") }
        var arguments: [Argument] = []
        for word in words { arguments.append(try Argument(word)) }
        for argument in arguments where description.parameter(argument.name) == nil {
            throw .usage("\(method) has no parameter \(argument.name)", "Its parameters are those of \(asked).")
        }
        var params = try call.params(arguments, description)
        // Somebody at a terminal may stop this program and the command; then the lock is not held on for long.
        if isLock, StandardStream.input.isTerminal {
            params.addDefault("max_hold_ms", params.value("ttl_ms")?.integer ?? Self.lifeDefault)
        }
        let client = try connection.open(until: .now.advanced(by: Call.connectLimit))
        let sent = Instant.now
        let result = try reply(client, asked, params, call.limit(params, description))
        return isLock
            ? try hold(client, result, sent, command)
            : try lead(client, result, params, command)
    }

    private func reply(
        _ client: RPCClient,
        _ method: String,
        _ params: CallParams,
        _ limit: Duration
    ) throws(CommandError) -> JSONFragment {
        let reply: RPCMessage
        do throws(RPCClientError) {
            reply = try client.call(method, params: params.text, until: .now.advanced(by: limit))
        } catch {
            throw CommandError(error, calling: method)
        }
        if let error = reply.error { throw ErrorExplanation.explain(error, method: method) }
        guard let result = reply.result else {
            throw CommandError(.unreachable, "\(method): the reply holds no result")
        }
        return result
    }

    // MARK: A lock

    private func hold(
        _ client: RPCClient,
        _ result: JSONFragment,
        _ sent: Instant,
        _ command: [[UInt8]]
    ) throws(CommandError) -> Int32 {
        guard let lease = result["lease"]?.string, let fence = result["fence"]?.integer,
            let life = result["ttl_ms"]?.integer
        else {
            let holder = result["holder"]?["label"]?.string ?? result["holder"]?["host"]?.string
            throw CommandError(.answerIsNo, "another holds the lock\(holder.map { ": \($0)" } ?? "")")
        }
        var holding = HeldLock(client, connection, lease: lease, life: life, sent: sent)
        let running: ProtectedCommand
        do throws(CommandError) {
            // The lock may have been waited for: its life did not begin when it was asked for.
            if holding.deadlines.isWorn(at: .now) { try holding.renew() }
            running = try ProtectedCommand.start(command, variables: ["\(CommandUsage.fenceVariable)=\(fence)"])
        } catch {
            holding.release()
            throw error
        }
        var end: Instant?
        while running.mustBeWaitedFor(isAsked: end != nil) {
            let now = Instant.now
            if end == nil, let loss = holding.loss(at: now) {
                console.complain("rpc: the lock is lost (\(loss)); the command is ended\n")
                // What was stopped does not go on for a moment after the life is over.
                running.signal(now < holding.deadlines.killing ? SIGTERM : SIGKILL)
                end = loss == "gone" ? now : holding.deadlines.killing(askedAt: now)
            }
            if running.isStopped, end == nil { running.goOn() }
            if let end, now >= end {
                running.signal(SIGKILL)
                // Nobody survives it; the kernel may take a moment.
                _ = holding.wait(for: running.descriptorNumber, until: now.advanced(by: .milliseconds(10)))
            } else {
                let next = end.map { min($0, now.advanced(by: .milliseconds(20))) } ?? holding.next
                _ = holding.wait(for: running.descriptorNumber, until: next)
            }
            running.look()
        }
        // Whoever is left of a command that was asked to end.
        if end != nil { running.signal(SIGKILL) }
        holding.release()
        return running.exitStatus
    }

    // MARK: An election

    private func lead(
        _ client: RPCClient,
        _ result: JSONFragment,
        _ params: CallParams,
        _ command: [[UInt8]]
    ) throws(CommandError) -> Int32 {
        guard let name = result["subscription"]?.string else {
            throw CommandError(.unreachable, "leader.campaign: the reply names no candidacy")
        }
        var term = result["term"]?.integer
        while term == nil {
            guard let news = try nextNews(client, name, until: .distantFuture) else { continue }
            if news.method == "leader.elected" { term = news.params?["term"]?.integer }
        }
        let life = params.value("ttl_ms")?.integer ?? 15_000
        let running = try ProtectedCommand.start(command, variables: ["\(CommandUsage.fenceVariable)=\(term ?? 0)"])
        var end: Instant?
        while running.mustBeWaitedFor(isAsked: end != nil) {
            let now = Instant.now
            let wake = end.map { min($0, now.advanced(by: .milliseconds(20))) } ?? .distantFuture
            _ = client.exchange(alongside: running.descriptorNumber, until: wake)
            running.look()
            if end == nil, let loss = lossTold(client, name) {
                console.complain("rpc: the lead is lost (\(loss)); the command is ended\n")
                running.signal(SIGTERM)
                // The agent tells of the loss when a twentieth of the life is left.
                end = Instant.now.advanced(nanoseconds: life * 1_000_000 / 25)
            }
            if running.isStopped, end == nil { running.goOn() }
            if let end, Instant.now >= end { running.signal(SIGKILL) }
        }
        if end != nil { running.signal(SIGKILL) }
        let resignation = JSONFragment("{\"subscription\":\(JSONFragment(string: name).text)}")
        _ = try? client.call("leader.resign", params: resignation, until: .now.advanced(by: .seconds(2)))
        return running.exitStatus
    }

    /// Why this program leads no longer; nil where it does.
    private func lossTold(_ client: RPCClient, _ name: String) -> String? {
        do throws(RPCClientError) {
            while true {
                let news = try client.notification(until: .now)
                guard news.method == "leader.lost", news.params?["subscription"]?.string == name else { continue }
                return news.params?["reason"]?.string ?? "lost"
            }
        } catch {
            return error.code == .timedOut ? nil : "the agent is gone"
        }
    }

    private func nextNews(_ client: RPCClient, _ name: String, until end: Instant) throws(CommandError) -> RPCMessage? {
        do throws(RPCClientError) {
            let message = try client.notification(until: end)
            return message.params?["subscription"]?.string == name ? message : nil
        } catch {
            throw CommandError(error, calling: "leader.campaign")
        }
    }
}

/// A lock that this program holds and renews, over the agent's restarts.
private struct HeldLock {
    /// Time between two attempts to reach an agent that is gone.
    private static let reconnectDelay = Duration.milliseconds(100)

    /// Until when the lock counts.
    private(set) var deadlines: LeaseDeadlines
    private var client: RPCClient?
    private let connection: AgentConnection
    private let lease: String
    private var asked: (id: Int64, sent: Instant)?
    private var nextConnection = Instant.now
    private var told: String?

    init(_ client: RPCClient, _ connection: AgentConnection, lease: String, life: Int64, sent: Instant) {
        self.client = client
        self.connection = connection
        self.lease = lease
        deadlines = LeaseDeadlines(life: life, sent: sent)
    }

    /// Why the lock is lost; nil where it is held.
    mutating func loss(at now: Instant) -> String? {
        if let told { return told }
        return now >= deadlines.termination ? "it was not renewed in time" : nil
    }

    /// When there is something to do.
    var next: Instant {
        let due = client == nil ? nextConnection : asked == nil ? deadlines.nextRenewal : .distantFuture
        return min(due, deadlines.termination)
    }

    /// Waits for news of the agent or of `other`, and renews when it is due.
    mutating func wait(for other: Int32, until end: Instant) -> Bool {
        if client == nil, Instant.now >= nextConnection { reconnect() }
        guard let client else {
            var waiting = [Polling(other, .readable)]
            return Polling.wait(&waiting, until: end)
        }
        let now = Instant.now
        if asked == nil, now >= deadlines.nextRenewal {
            asked = (client.send("lock.renew", params: params), now)
        }
        let isInTime = client.exchange(alongside: other, until: end).isInTime
        takeNews(client)
        return isInTime
    }

    /// Renews it at once, and waits for that.
    ///
    /// - Throws: ``CommandError`` where it is not held any more, or the agent does not answer in time.
    mutating func renew() throws(CommandError) {
        guard let client else { return }
        let sent = Instant.now
        let reply: RPCMessage
        do throws(RPCClientError) {
            reply = try client.call("lock.renew", params: params, until: sent.advanced(by: .seconds(5)))
        } catch {
            throw CommandError(error, calling: "lock.renew")
        }
        if let error = reply.error { throw ErrorExplanation.explain(error, method: "lock.renew") }
        guard let life = reply.result?["ttl_ms"]?.integer else {
            throw CommandError(.unreachable, "lock.renew: the reply holds no result")
        }
        deadlines.renewed(life: life, sent: sent)
    }

    private mutating func takeNews(_ client: RPCClient) {
        do throws(RPCClientError) {
            while true {
                let message = try client.receive(until: .now)
                if let asked, message.id?.integer == asked.id {
                    self.asked = nil
                    if let life = message.result?["ttl_ms"]?.integer {
                        deadlines.renewed(life: life, sent: asked.sent)
                    } else if message.error?.kind == "lease_lost" {
                        told = told ?? "gone"
                    } else {
                        deadlines.renewalFailed(at: .now)
                    }
                } else if message.method == "lock.lost", message.params?["lease"]?.string == lease {
                    told = told ?? message.params?["reason"]?.string ?? "lost"
                }
            }
        } catch {
            guard error.code != .timedOut else { return }
            self.client = nil
            asked = nil
            nextConnection = .now
        }
    }

    private mutating func reconnect() {
        nextConnection = Instant.now.advanced(by: Self.reconnectDelay)
        client = try? connection.open(until: .now)
        // Renewing binds the lease to the new connection.
        if client != nil { deadlines.renewalFailed(at: Instant(nanoseconds: 0)) }
    }

    /// Ends the lease; without an agent it ends by itself.
    func release() {
        _ = try? client?.call("lock.release", params: params, until: .now.advanced(by: .seconds(2)))
    }

    private var params: JSONFragment? { JSONFragment("{\"lease\":\(JSONFragment(string: lease).text)}") }
}
