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
            guard case .set(let name, let entry, _) = step else { continue }
            let size = name.count + entry.value.count * 2
            guard size <= local.entryBytesMax else { throw .tooLarge("an entry", limitBytes: local.entryBytesMax) }
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
                let (staleAt, end, tags) = (found.staleAt, found.end, found.tags)
                entry.value.withByteView {
                    _ = local.store(name, namespace, $0, .json, staleAt: staleAt, end: end, tags)
                }
            }
        case .delete(let name): _ = name.withByteView { local.remove($0) }
        case .life(let name, let life): _ = name.withByteView { local.touch($0, namespace, life: life) }
        }
        localChanged(step.name)
    }
}
