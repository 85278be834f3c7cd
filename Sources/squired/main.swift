import Agent
import Glibc
import Linux

guard (try? StandardStream.openMissing()) != nil else { _exit(71) }  // EX_OSERR
let status = Program.run(ProcessWords.arguments)
// A helper thread may still read certificates: exit(3) would take OpenSSL down under it.
fflush(nil)
_exit(status)
