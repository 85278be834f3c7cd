import Bytes
import Configuration
import Glibc
import JSON
import Linux
import Policy

/// The file of the policy, read and checked.
enum PolicyFile {
    /// Longest file that is read.
    private static let bytesMax = 1 << 20

    /// The policy that a configuration leads to: that of its file, or the standard one without a file.
    ///
    /// Names of users and groups are looked up, which may block.
    ///
    /// - Throws: ``PolicyFaults`` with every fault, each with the file's path.
    static func read(_ configuration: Configuration) throws(PolicyFaults) -> Policy {
        guard let path = configuration.policy.file else { return .standard }
        let document = try document(path)
        do throws(PolicyFaults) {
            let accounts = AccountNames(userID: { Accounts.userID($0) }, groupID: { Accounts.groupID($0) })
            return try Policy(document, accounts: accounts)
        } catch {
            throw PolicyFaults(faults: error.faults.map { PolicyFault("\(path): \($0.description)") })
        }
    }

    private static func document(_ path: String) throws(PolicyFaults) -> Document {
        let bytes: [UInt8]?
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, flags: O_RDONLY)
            // Whoever may write to it decides who may call what.
            let isSafe = file.ownership.map { status in
                (status.owner == 0 || status.owner == ProcessIdentity.userID) && status.mode & 0o022 == 0
            }
            bytes = isSafe == true ? try file.readAll(limit: bytesMax) : nil
        } catch {
            throw fault(path, "cannot be read: \(error.reason)")
        }
        guard let bytes else {
            throw fault(path, "must be a file of root or of the agent's user that nobody else may write to")
        }
        do throws(DocumentError) {
            return try Document.parse(bytes)
        } catch {
            throw fault(path, "\(error)")
        }
    }

    private static func fault(_ path: String, _ reason: String) -> PolicyFaults {
        PolicyFaults(faults: [PolicyFault("\(path): \(reason)")])
    }
}
