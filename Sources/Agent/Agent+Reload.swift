import Configuration
import Contract
import EventLoop
import JSONRPC
import Observability
import Policy
import Sealing
import Sessions
import Store
import Valkey

extension Agent {
    /// Reads configuration and policy again; where one is faulty, the old ones stay.
    ///
    /// They are read beside the loop: a name service or a slow disk must not hold it up.
    func reload() {
        guard !isStopping else { return }
        guard !isReloading, isServing else {
            // What changed since the reading began counts too; and what is not ready is not to say so behind a reload.
            isReloadWanted = true
            return
        }
        isReloading = true
        service?.reloading()
        Task { @EventLoop in
            let current = self.configuration
            switch await BlockingWork.run({ Agent.read(current) }) {
            case .success(let (next, policy)): self.adopt(next, policy: policy)
            case .failure(let fault):
                self.log.error("the configuration is faulty; the old one stays", ["faults": fault.description])
            }
            self.isReloading = false
            if !self.isStopping { self.service?.ready() }
            guard self.isReloadWanted else { return }
            self.isReloadWanted = false
            self.reload()
        }
    }

    /// What is wrong with a configuration or a policy, a line for each fault.
    struct ReloadFault: Error {
        let description: String
    }

    nonisolated private static func read(
        _ current: Configuration
    ) -> Result<(Configuration, Policy), ReloadFault> {
        do {
            let next = try current.reloaded()
            return .success((next, try PolicyFile.read(next)))
        } catch {
            return .failure(ReloadFault(description: "\(error)"))
        }
    }

    /// Takes up what may change while the agent runs.
    private func adopt(_ next: Configuration, policy: Policy) {
        let keys: SessionKeys
        do throws(KeyFault) {
            keys = try SessionKeys(next)
        } catch {
            return log.error("the session keys are faulty; the old configuration stays", ["faults": error.description])
        }
        gatekeeper.audit.adopt(next.audit)
        gatekeeper.audit.reopen()
        let isOtherPolicy = gatekeeper.policy.rules != policy.rules
        let revoked = gatekeeper.adopt(policy, classes: next.cache.classes)
        features.adopt(next, keys)
        stores.stateSafety.acceptsEviction = next.valkey.acceptsEviction
        log.level = next.log.level
        log.format = next.log.format
        if isOtherPolicy { warnOfUnheardRules() }
        calls.slowNanoseconds = next.log.slowNanoseconds
        dispatcher.deadlines = Dispatcher.Deadlines(next.limits)
        var changed = next.changes(since: configuration)
        if isOtherPolicy, !changed.contains("policy.file") { changed.append("policy.file") }
        // What proves who a server is belongs to the server: with another URL it waits for the restart too.
        let isSameServer = changed.allSatisfy { !$0.hasSuffix("_url") }
        let waiting = changed.filter { option in
            switch Option.adoption(of: option) {
            case .reload: false
            case .reloadOfSameServer: !isSameServer
            case .restart: true
            }
        }
        configuration.log = next.log
        configuration.audit.classes = next.audit.classes
        configuration.audit.whenFull = next.audit.whenFull
        configuration.policy = next.policy
        let (nearBytes, localBytes) = (configuration.cache.nearBytes, configuration.cache.localBytes)
        configuration.cache = next.cache
        configuration.cache.nearBytes = nearBytes
        configuration.cache.localBytes = localBytes
        configuration.sessions = next.sessions
        configuration.channels = next.channels
        configuration.topics = next.topics
        configuration.valkey.acceptsEviction = next.valkey.acceptsEviction
        configuration.limits.deadline = next.limits.deadline
        configuration.limits.sweepDeadline = next.limits.sweepDeadline
        configuration.adoptOrigins(of: next, where: { Option.adoption(of: $0) == .reload })
        if isSameServer {
            configuration.adoptAccess(of: next)
            stores.adoptCredentials(configuration)
        }
        features.agent.configuration = configuration
        if !revoked.isEmpty {
            // Subscriptions and leases end as they do where the client has gone.
            server.close(revoked)
            log.notice("connections were closed to which the policy grants less", ["connections": "\(revoked.count)"])
        }
        gatekeeper.audit.record("reload", isOfPolicy: true, ["changed": changed.joined(separator: ",")])
        log.notice(
            "configuration reloaded",
            [
                "changed": changed.joined(separator: ","),
                "needs_restart": waiting.joined(separator: ","),
            ]
        )
    }
}
