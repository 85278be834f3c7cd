import Linux

/// `rpc audit.verify FILE… [key=FILE] [head=SEQUENCE:CODE]…`: has `squired` verify audit files, without an agent.
///
/// The codes need a library of cryptography, which no other command of `rpc` waits for to be loaded.
enum AuditVerification {
    /// Becomes `squired`; returns only where that fails.
    ///
    /// - Throws: ``CommandError`` where `squired` is not there or the words make no sense.
    static func run(_ words: [String]) throws(CommandError) {
        let files = words.filter { !$0.contains("=") }
        guard !files.isEmpty else {
            throw .usage(
                "which file?",
                "rpc audit.verify FILE… key=FILE: the files in their order, and the key that the chain began with."
            )
        }
        for word in words where word.contains("=") && !word.hasPrefix("key=") && !word.hasPrefix("head=") {
            throw .usage("\(word): only key=FILE and head=SEQUENCE:CODE go with rpc audit.verify")
        }
        guard let program = Executable.sibling("squired") ?? Executable.find("squired") else {
            throw .usage("squired is not installed here, which knows how an audit file is verified")
        }
        let error = Executable.become(program, ["--verify-audit"] + words)
        throw .usage("\(program) cannot be started: \(error.reason)")
    }
}
