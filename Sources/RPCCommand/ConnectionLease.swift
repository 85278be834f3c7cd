import RPCClient

/// What is said of a lease that belongs to the connection of one call, and so ends with the command.
enum ConnectionLease {
    /// What becomes of the lease that a method gives, and what to do instead, without a full stop; nil for a method that
    /// gives none.
    private static func warning(_ method: String) -> String? {
        switch method {
        case "lock.acquire": "the lock is released as this command ends: use rpc lock.exec, or bind=none"
        case "semaphore.acquire":
            "the permits are released as this command ends: use bind=none, or a program that keeps its connection"
        case "lock.renew", "semaphore.renew":
            "a lease of another connection is bound to this one, and released as this command ends; one with bind=none is not"
        case "cache.get", "response.get":
            "the lease ends with this command: who computes needs a connection that lasts, such as that of rpc -"
        default: nil
        }
    }

    /// What the help of a method says of it, as a sentence; nil for a method that gives none.
    static func note(_ method: MethodDescription) -> String? {
        guard let warning = warning(method.name) else { return nil }
        guard method.name.hasSuffix(".get") else { return "Called by rpc, \(warning)." }
        return method.parameter("lease_ms").map { "Called by rpc with \($0.name), \(warning)." }
    }

    /// What to say of the lease that a call got.
    ///
    /// - Parameters:
    ///   - method: The method that was called.
    ///   - params: What it was called with.
    ///   - description: Tells which place a parameter has, where values are given by position.
    ///   - result: What it answered.
    /// - Returns: A line for standard error; nil where it got none, or one that lasts.
    static func complaint(
        _ method: String,
        _ params: CallParams,
        _ description: MethodDescription?,
        _ result: JSONFragment
    ) -> String? {
        let isLease = result["lease"]?.string != nil || method.hasSuffix(".renew")
        guard isLease, let warning = warning(method) else { return nil }
        let place = description?.parameters.firstIndex { $0.name == "bind" }
        guard params.value("bind", at: place)?.string != "none" else { return nil }
        return "rpc: \(warning)\n"
    }
}
