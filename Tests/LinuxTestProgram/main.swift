// Started by the tests of Linux, which end it by force and look at what is left behind.
//
//   starve              starts a child that must die with this process
//   keep-lock DIRECTORY locks the directory and starts a child that inherits the lock
//
// Both print the child's process id, and then wait to be killed.
//
//   activate NUMBER NAMES PROGRAM ARGUMENT…   becomes the program with its descriptor NUMBER, and those behind it as
//                                             many as there are NAMES, handed over as a service manager does
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
case "activate":
    let arguments = CommandLine.arguments
    guard let number = Int32(arguments[2]) else { exit(64) }
    let names = arguments[3].split(separator: ":")
    // From the first on: where the numbers overlap, each is moved before it is overwritten.
    for index in 0..<Int32(names.count) where number != 3 {
        guard dup2(number + index, 3 + index) >= 0 else { exit(1) }
    }
    unsafe setenv("LISTEN_PID", "\(getpid())", 1)
    unsafe setenv("LISTEN_FDS", "\(names.count)", 1)
    unsafe setenv("LISTEN_FDNAMES", arguments[3], 1)
    var texts: [UnsafeMutablePointer<CChar>?] = unsafe arguments.dropFirst(4).map { unsafe strdup($0) }
    unsafe texts.append(nil)
    unsafe execv(arguments[4], &texts)
    exit(1)
default:
    exit(64)
}
