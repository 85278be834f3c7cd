import Bytes
import JSON
import Leases

extension LeaseState {
    /// Appends the state of the lock called `name`: `{name, locked, mode?, fence, holders, waiters}`.
    func append(asLock name: [UInt8], to buffer: inout ByteBuffer) {
        buffer.append("{\"name\":")
        name.withByteView { buffer.append(jsonString: $0) }
        buffer.append(",\"locked\":")
        buffer.append(jsonBoolean: !holders.isEmpty)
        if let first = holders.first {
            buffer.append(",\"mode\":")
            buffer.append(jsonString: LeaseState.mode(first))
        }
        buffer.append(",\"fence\":")
        buffer.append(decimal: fence)
        appendParties(isLock: true, to: &buffer)
        buffer.append("}")
    }

    /// Appends the state of a semaphore: `{limit, used, holders, waiters}`.
    func appendSemaphore(to buffer: inout ByteBuffer) {
        buffer.append("{\"limit\":")
        buffer.append(decimal: capacity)
        buffer.append(",\"used\":")
        buffer.append(decimal: holders.reduce(0) { $0 + $1.weight })
        appendParties(isLock: false, to: &buffer)
        buffer.append("}")
    }

    private static func mode(_ record: LeaseRecord) -> String {
        record.weight == LeaseWeight.all ? "exclusive" : "shared"
    }

    private func appendParties(isLock: Bool, to buffer: inout ByteBuffer) {
        buffer.append(",\"holders\":[")
        for (index, record) in holders.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            append(record, isHolder: true, isLock: isLock, to: &buffer)
        }
        buffer.append("],\"waiters\":[")
        for (index, record) in waiters.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            append(record, isHolder: false, isLock: isLock, to: &buffer)
        }
        buffer.append("]")
    }

    private func append(_ record: LeaseRecord, isHolder: Bool, isLock: Bool, to buffer: inout ByteBuffer) {
        buffer.append("{")
        let unknown = LeaseDescription(label: nil, host: "", isBound: false, holdMilliseconds: 0)
        (LeaseDescription(record.description) ?? unknown).appendWho(to: &buffer)
        buffer.append(",\"since_at_ms\":")
        buffer.append(decimal: record.since)
        if isLock {
            buffer.append(",\"mode\":")
            buffer.append(jsonString: LeaseState.mode(record))
        } else {
            buffer.append(",\"permits\":")
            buffer.append(decimal: record.weight)
        }
        if isHolder {
            buffer.append(",\"fence\":")
            buffer.append(decimal: record.fence)
            buffer.append(",\"ttl_ms\":")
            buffer.append(decimal: max(record.end - now, 0))
            if record.state == UInt8(ascii: "r") { buffer.append(",\"revoked\":true") }
        }
        buffer.append(",\"party\":")
        record.party.withByteView { buffer.append(jsonString: $0) }
        buffer.append("}")
    }
}
