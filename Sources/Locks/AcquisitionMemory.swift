import Bytes
import EventLoop
import JSONRPC
import Leases
import Linux
import Store
import Valkey

/// What became of acquisitions that have a name, so that asking again gives the same lease.
///
/// The record holds the name of the lease from before it is asked for, which makes asking for it harmless however often
/// it is done: `p<lease>` until the outcome is known, then `a<lease> <fence>`, or `n` and what was answered.
@EventLoop
final class AcquisitionMemory {
    /// What a record says.
    enum Outcome {
        /// The acquisition is to be made, as this lease.
        case first(LeaseID)
        /// It was had.
        case granted(LeaseID, fence: Int64)
        /// It was not had, and this was answered.
        case refused([UInt8])
    }

    private let leases: Leases

    init(_ leases: Leases) {
        self.leases = leases
        leases.link.register(AcquisitionMemory.begin)
        leases.link.register(AcquisitionMemory.end)
    }

    /// Remembers a request, or tells what became of it.
    ///
    /// - Throws: ``RPCError`` `conflict` where it was made with other parameters.
    func begin(
        _ request: RememberedRequest,
        _ id: LeaseID,
        until deadline: Instant
    ) async throws(RPCError) -> Outcome {
        let reply = try await leases.call(.idempotentWrite, until: deadline) { command in
            command.append(callOf: AcquisitionMemory.begin, keys: 1, arguments: 3)
            request.appendKey(to: &command)
            RememberedRequest.appendArguments(request, to: &command)
            ([UInt8(ascii: "p")] + id.text).withByteView { command.append(word: $0) }
        }
        let bytes = reply.bytes ?? []
        let parts = bytes.dropFirst().split(separator: UInt8(ascii: " "))
        if bytes.first == UInt8(ascii: "n") {
            return .refused(bytes.count > 1 ? Array(bytes.dropFirst()) : Array("{\"acquired\":false}".utf8))
        }
        guard let known = parts.first.flatMap({ Array($0).withByteView { LeaseID($0) } }) else { return .first(id) }
        if bytes.first == UInt8(ascii: "a"), parts.count == 2,
            let fence = Int64(String(decoding: parts[1], as: UTF8.self))
        {
            return .granted(known, fence: fence)
        }
        return .first(known)
    }

    /// Remembers what became of a request; where that fails, asking again finds it out by asking for the lease.
    func end(_ request: RememberedRequest, _ outcome: Outcome) async {
        let text: [UInt8] =
            switch outcome {
            case .first(let id): [UInt8(ascii: "p")] + id.text
            case .granted(let id, let fence): [UInt8(ascii: "a")] + id.text + Array(" \(fence)".utf8)
            case .refused(let result): [UInt8(ascii: "n")] + result
            }
        let deadline = Instant.now.advanced(by: .seconds(1))
        _ = try? await leases.call(.idempotentWrite, until: deadline) { command in
            command.append(callOf: AcquisitionMemory.end, keys: 1, arguments: 3)
            request.appendKey(to: &command)
            RememberedRequest.appendArguments(request, to: &command)
            text.withByteView { command.append(word: $0) }
        }
    }

    /// Answers what is remembered in KEYS[1], or remembers ARGV[3].
    private static let begin = Script(
        """
        -- squire lease.request 1
        local record = KEYS[1]
        \(RememberedRequest.luaRecall(record: "record"))
        local outcome = ARGV[3]
        \(RememberedRequest.luaRemember(record: "record"))
        return outcome
        """
    )

    /// Remembers ARGV[3] in the place of what KEYS[1] holds.
    private static let end = Script(
        """
        -- squire lease.outcome 1
        local record, outcome = KEYS[1], ARGV[3]
        \(RememberedRequest.luaRemember(record: "record"))
        return 1
        """
    )
}
