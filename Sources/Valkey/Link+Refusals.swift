import Bytes
import Observability

extension Link {
    /// Takes note of what the server answered to a write: whether it refuses all of them, such as with a full disk.
    ///
    /// The first refusal and the end of them are logged; ``Status/writeRefusal`` tells of them in between.
    func wrote(_ reply: Reply) {
        guard reply.kind == .error else {
            guard writeRefusal != nil else { return }
            writeRefusal = nil
            return log.notice("Valkey takes writes again", ["store": name])
        }
        guard reply.isRefusalOfWrites else { return }
        if writeRefusal == nil {
            let reason = reply.bytes.prefix(min(reply.bytes.count, 200)).text()
            log.error("Valkey refuses writes", ["store": name, "reason": reason])
        }
        writeRefusal = reply.errorWord
    }
}

extension Reply {
    /// Whether this is an error by which a server refuses every write: its disk or memory is full, it is a replica, or it
    /// has too few of them.
    fileprivate var isRefusalOfWrites: Bool {
        let words: [StaticString] = ["MISCONF", "OOM", "READONLY", "NOREPLICAS"]
        return words.contains { isError($0) }
    }
}
