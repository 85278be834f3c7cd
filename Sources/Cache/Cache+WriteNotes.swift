import Bytes
import JSON
import Valkey

// Whoever writes through this agent is heeded at once, before there is news of it: copies of the entry go when the write
// is sent, and whoever would compute it asks Valkey.
extension Cache {
    /// Takes note that the entry of this full name is about to be written, touched or removed.
    ///
    /// - Returns: The write, which ``endWrite(_:)`` takes back.
    func beginWrite(_ name: ByteView) -> NearWrite {
        let write = near.beginWrite(name)
        if !leases.isEmpty { leaseWritten(write) }
        return write
    }

    /// Ends a write, whatever came of it.
    func endWrite(_ write: NearWrite) {
        near.endWrite(write)
        if !leases.isEmpty { leaseWriteEnded(write) }
    }

    /// Takes note that the entries of these full names are about to be written or removed together.
    ///
    /// - Returns: The number of their list, which ``endWrites(_:)`` takes back.
    func beginWrites(_ names: some Sequence<[UInt8]>) -> Int {
        let list = near.beginWrites()
        for name in names { name.withByteView { addWrite($0, to: list) } }
        return list
    }

    /// Takes note of one entry more of those that are written together.
    func addWrite(_ name: ByteView, to list: Int) {
        let write = near.addWrite(name, to: list)
        if !leases.isEmpty { leaseWritten(write) }
    }

    /// Ends a write of several entries, whatever came of it.
    func endWrites(_ list: Int) {
        near.endWrites(list) { write in
            if !leases.isEmpty { leaseWriteEnded(write) }
        }
    }

    /// Takes note of a write in a stripe of names: of the keys in it, nobody knows what holds until Valkey is asked.
    private func leaseWritten(_ write: NearWrite) {
        for key in leases.inStripe(write.stripe) { key.isDoubtful = true }
    }

    /// Takes note that a write in a stripe of names has ended; those who wait where nobody tells of changes are to know.
    private func leaseWriteEnded(_ write: NearWrite) {
        for key in leases.inStripe(write.stripe) {
            key.isDoubtful = true
            if !key.waiters.isEmpty, !isTold(key.namespace), !isLocal(key.namespace) { renew(key) }
        }
    }
}
