// Started by the tests of Linux, which end it by force and look at what is left behind.
//
//   starve              starts a child that must die with this process
//   keep-lock DIRECTORY locks the directory and starts a child that inherits the lock
//
// Both print the child's process id, and then wait to be killed.
import Glibc
import Linux

/// Prints a number at once, also into a file.
func announce(_ number: Int32) {
    print(number)
    fflush(nil)
}

var command = ChildProcess.Command(executable: "/bin/sleep", arguments: ["600"])
switch CommandLine.arguments.dropFirst().first {
case "starve":
    command.parentDeathSignal = SIGKILL
    let child = try ChildProcess.start(command)
    announce(child.processID)
    while true { pause() }
case "keep-lock":
    guard let lock = try DirectoryLock.acquire(CommandLine.arguments[2]) else { exit(1) }
    command.inheritedDescriptors = [lock.descriptorNumber]
    let child = try ChildProcess.start(command)
    announce(child.processID)
    while true { pause() }
default:
    exit(64)
}
