public import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Store

/// A read among those that came together and are answered one after the other.
public struct ExpectedRead {
    /// What is read: a key and a namespace, and the defaults of all other parameters.
    public let parameters: CacheGetParameters
    // Nil where no copy can be there.
    fileprivate let name: NearName?
}

// Of reads that came together each is looked at three times: for its name, for where a copy lies, and to be answered.
// What the processor must fetch from far away for one comes while it is busy with the others.
extension Cache {
    /// Begins to look at reads that came together.
    public func beginReads() {
        near.beginNames()
    }

    /// Looks at a read for the first time.
    ///
    /// - Parameter parameters: A key and a namespace, and the defaults of all others; lent until the read is answered.
    /// - Returns: The read, for the other looks.
    public func expect(_ parameters: CacheGetParameters) -> ExpectedRead {
        let key = parameters.key
        guard near.isUsable, !key.hasEscapes, key.raw.count <= keyspace.keyBytesMax else {
            return ExpectedRead(parameters: parameters, name: nil)
        }
        return ExpectedRead(parameters: parameters, name: near.add(parameters.namespace, key.raw))
    }

    /// Looks at a read for the second time.
    public func fetch(_ read: ExpectedRead) {
        if let name = read.name { near.fetch(name) }
    }

    /// Answers a read from memory without a call being begun, where a copy is there that nothing else bears on.
    ///
    /// - Parameters:
    ///   - read: The read.
    ///   - peer: The connection that it came over.
    ///   - id: Its id as written.
    /// - Returns: Whether it was answered; not where a call must be begun.
    public func getAtOnce(_ read: ExpectedRead, from peer: Peer, id: ByteView) -> Bool {
        // What a namespace does not keep is not there: copies go when the settings change.
        guard let name = read.name, let hit = near.find(name), hit.form != .guarded else { return false }
        let isAnswered = calls.replyAtOnce(peer, id: id, method: Int(Method.cacheGet.rawValue)) { append(hit, to: &$0) }
        if isAnswered { countNearHit(register.number(of: read.parameters.namespace)) }
        return isAnswered
    }
}
