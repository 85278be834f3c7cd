import Agent
import Glibc

let status = Program.run(Array(CommandLine.arguments.dropFirst()))
// A helper thread may still read certificates: exit(3) would take OpenSSL down under it.
fflush(nil)
_exit(status)
