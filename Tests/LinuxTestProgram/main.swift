// Started by the tests of Linux, which end it by force and look at what is left behind.
//
//   starve              starts a child that must die with this process
//   keep-lock DIRECTORY locks the directory and starts a child that inherits the lock
//
// Both print the child's process id, and then wait to be killed.
//
//   activate NUMBER NAMES PROGRAM ARGUMENT…   becomes the program with its descriptor NUMBER, and those behind it as
//                                             many as there are NAMES, handed over as a service manager does
//
//   become USER PROGRAM ARGUMENT…             becomes the program as another user, whose group has the same number
//   talk USER GROUPS SOCKET                   as another user, in these groups besides that of the same number, sends
//                                             standard input to the socket and prints what comes back
import Glibc
import Linux

/// Prints a number at once, also into a file.
func announce(_ number: Int32) {
    print(number)
    fflush(nil)
}

/// Gives up what this process may do, for that of another user.
func become(_ user: UInt32, _ groups: [UInt32]) {
    guard unsafe setgroups(groups.count, groups) == 0, setgid(user) == 0, setuid(user) == 0 else {
        unsafe perror("become")
        exit(77)
    }
}

/// Copies all of one descriptor to another.
func pump(_ source: Int32, _ target: Int32) {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        var entry = pollfd(fd: source, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
        let count = unsafe read(source, &chunk, chunk.count)
        if count < 0, errno == EAGAIN { continue }
        guard count > 0 else { return }
        var written = 0
        while written < count {
            let taken = unsafe chunk.withUnsafeBytes { bytes in
                unsafe write(target, bytes.baseAddress.map { unsafe $0 + written }, count - written)
            }
            if taken > 0 { written += taken } else if errno == EAGAIN { usleep(1000) } else { return }
        }
    }
}

/// Has a conversation of one turn.
func talk(_ path: String) {
    do {
        let connection = try Socket.connect(unixPath: path)
        pump(0, connection.number)
        Socket.finishSending(connection)
        pump(connection.number, 1)
    } catch {
        print("\(error)")
        exit(1)
    }
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
case "become":
    guard let user = UInt32(CommandLine.arguments[2]) else { exit(64) }
    become(user, [])
    var texts: [UnsafeMutablePointer<CChar>?] = unsafe CommandLine.arguments.dropFirst(3).map { unsafe strdup($0) }
    unsafe texts.append(nil)
    unsafe execv(CommandLine.arguments[3], &texts)
    unsafe perror("exec")
    exit(1)
case "talk":
    guard let user = UInt32(CommandLine.arguments[2]) else { exit(64) }
    become(user, CommandLine.arguments[3].split(separator: ",").compactMap { UInt32($0) })
    talk(CommandLine.arguments[4])
default:
    exit(64)
}
