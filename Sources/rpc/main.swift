import Glibc
import Linux
import RPCCommand

guard (try? StandardStream.openMissing()) != nil else { _exit(71) }  // EX_OSERR
let arguments = ProcessWords.arguments
// Every user of the host sees command lines: the values in them are seen for no longer than this takes.
var isValue = false
for index in 1..<max(Int(CommandLine.argc), 1) {
    guard let word = unsafe CommandLine.unsafeArgv[index] else { continue }
    let start = isValue ? unsafe word : unsafe strchr(word, Int32(UInt8(ascii: "="))).map { unsafe $0 + 1 }
    isValue = unsafe strcmp(word, "--params") == 0
    if let start = unsafe start { unsafe _ = memset(start, Int32(UInt8(ascii: "*")), strlen(start)) }
}
exit(RPCCommand.run(arguments: arguments))
