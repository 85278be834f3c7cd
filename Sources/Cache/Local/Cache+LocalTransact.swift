import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store

extension Cache {
    /// Answers `cache.transact` for entries of this host: nothing comes between the look and the writes.
    func performLocal(
        _ transaction: Transaction,
        _ namespace: UInt16,
        _ context: CallContext
    ) throws(RPCError) {
        guard transaction.writes.allSatisfy({ $0.fence == nil }) else {
            throw .invalidParams("fence needs a namespace that is kept in Valkey", parameter: "writes")
        }
        var present: [[UInt8]: Transaction.Present] = [:]
        for name in transaction.watched { present[name] = presentLocal(name) }
        guard transaction.holds(present, depthMax: depthMax) else {
            return calls.reply(context.call) { $0.append("{\"applied\":false}") }
        }
        let plan: Transaction.Plan
        do throws(Transaction.Fault) {
            // Tags are known by their full names here.
            plan = try transaction.plan(present, generations: [:]) { $0 }
        } catch {
            throw RPCError(.conflict, "a stored value is no integer, or would be too large", outcome: .notApplied)
        }
        for step in plan.steps {
            guard fitsLocally(step) else {
                var error = RPCError.tooLarge("an entry", limitBytes: local.entryBytesMax)
                error.outcome = .notApplied
                throw error
            }
        }
        for step in plan.steps { try apply(step, namespace) }
        countSets(plan.steps.count { if case .set = $0 { true } else { false } }, namespace)
        answer(plan, transaction, context.call)
    }

    /// What is there, in the bytes that it was given in.
    private func presentLocal(_ name: [UInt8]) -> Transaction.Present? {
        name.withByteView { name in
            guard let found = local.find(name) else { return nil }
            // Text and bytes are no JSON, so they equal none: what they are does not matter here.
            let value = found.form == .json ? found.value.copy() : Array("\u{1}".utf8)
            return Transaction.Present(value: value, stale: 0, tags: [])
        }
    }

    /// Whether an entry that a step writes is small enough, so that all steps can be made where one is.
    private func fitsLocally(_ step: Transaction.Step) -> Bool {
        switch step {
        case .set(let name, let entry, _):
            return local.fits(name.count, localCount(entry.value), hasStale: entry.stale > 0, tags: entry.tags.count)
        case .keep(let name, let entry):
            // The number keeps what else there is of the entry, or what the transaction writes of it.
            let found = name.withByteView { local.find($0) }
            let hasStale = entry.stale > 0 || found.map { $0.life.stale > 0 } == true
            let tags = max(entry.tags.count, found?.tags.count ?? 0)
            return local.fits(name.count, entry.value.count, hasStale: hasStale, tags: tags)
        case .delete, .life: return true
        }
    }

    /// Length of a value in memory: JSON text of one line, in which escapes are longer than what they stand for.
    private func localCount(_ value: [UInt8]) -> Int {
        value.withByteView { value in
            copyScratch.removeAll(keepingCapacityUpTo: 64 << 10)
            StoredValue.append(value, as: StoredValue.form(value, depthMax: depthMax), to: &copyScratch)
            return copyScratch.count
        }
    }

    private func apply(_ step: Transaction.Step, _ namespace: UInt16) throws(RPCError) {
        switch step {
        case .set(let name, let entry, let life):
            try entry.value.withByteView { value throws(RPCError) in
                try storeLocal(
                    name,
                    namespace,
                    value,
                    life: life.map { $0 - entry.stale },
                    stale: entry.stale,
                    entry.tags.map(\.name)
                )
            }
        case .keep(let name, let entry):
            name.withByteView { name in
                guard let found = local.find(name) else { return }
                let (life, tags) = (found.life, found.tags)
                entry.value.withByteView { _ = local.store(name, namespace, $0, .json, life, tags) }
            }
        case .delete(let name): _ = name.withByteView { local.remove($0) }
        case .life(let name, let entry, let life):
            _ = name.withByteView { local.touch($0, namespace, life: life.map { $0 - entry.stale }) }
        }
        localChanged(step.name)
    }
}
