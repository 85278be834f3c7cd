/// What `squired` exits with, besides 0 (sysexits.h).
enum ExitStatus {
    /// The command line makes no sense.
    static let usage: Int32 = 64
    /// Something that the agent needs is not there, such as a server program or its socket's path.
    static let unavailable: Int32 = 69
    /// The words behind `--verify-audit` make no sense, or there is no key: as `rpc` has it, for which it stands.
    static let verifyUsage: Int32 = 3
    /// The configuration has faults.
    static let configuration: Int32 = 78
}
