import Glibc
import RPCCommand

exit(RPCCommand.run(arguments: Array(CommandLine.arguments.dropFirst())))
