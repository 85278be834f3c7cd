import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// A process of another user that calls an agent.
struct CallerProcess {
    /// Its user's id, and that of its group.
    let user: UInt32
    /// Further groups that it is in.
    var groups: [UInt32] = []

    /// Why this process cannot start processes of other users; nil where it can.
    static var obstacle: String? {
        geteuid() == 0 ? nil : "only root can start processes of other users"
    }

    /// What calls end with, in their order, made over one connection.
    ///
    /// - Parameters:
    ///   - calls: A method and its params each.
    ///   - socket: Where the agent listens.
    /// - Returns: Replies, in the order of the calls.
    /// - Throws: Where the process cannot call, or a call has no reply.
    func replies(to calls: [(method: String, params: String)], on socket: String) async throws -> [Document] {
        let lines = calls.enumerated().map { index, call in
            #"{"jsonrpc":"2.0","id":\#(index),"method":"\#(call.method)","params":\#(call.params)}"# + "\n"
        }
        let list = groups.map(String.init).joined(separator: ",")
        let outcome = try await run(
            try Product.path("LinuxTestProgram"),
            ["talk", "\(user)", list, socket],
            input: Array(lines.joined().utf8)
        )
        try #require(outcome.status == .exited(0), "\(outcome.standardOutput)\(outcome.standardError)")
        var replies: [Int64: Document] = [:]
        for line in outcome.standardOutput.split(separator: "\n") {
            let reply = try Document.parse(String(line))
            if let id = reply["id"]?.integer { replies[id] = reply }
        }
        return try calls.indices.map { try #require(replies[Int64($0)], "\(calls[$0])") }
    }

    /// What one call ends with.
    func reply(to method: String, _ params: String = "{}", on socket: String) async throws -> Document {
        try await replies(to: [(method, params)], on: socket)[0]
    }
}

extension Document {
    /// Whether a reply says that the policy does not allow the call.
    var isForbidden: Bool { self["error"]?["code"] == 1004 }
}
