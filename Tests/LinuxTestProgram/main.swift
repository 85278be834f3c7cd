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

/// Waits until something can be read, and reads it; nothing at the end.
func receive(_ source: Int32) -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let capacity = chunk.count
    while true {
        var entry = pollfd(fd: source, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
        let count = unsafe read(source, &chunk, capacity)
        if count < 0, errno == EAGAIN { continue }
        return Array(chunk.prefix(max(count, 0)))
    }
}

/// Writes all of `bytes`, as soon as they are taken.
func send(_ bytes: [UInt8], to target: Int32) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let taken = unsafe rest.withUnsafeBytes { unsafe write(target, $0.baseAddress, $0.count) }
        if taken > 0 { rest = rest.dropFirst(taken) } else if errno == EAGAIN { usleep(1000) } else { return }
    }
}

/// Sends the requests of standard input, a line each, and prints the replies until there are as many.
func talk(_ path: String) {
    do {
        let connection = try Socket.connect(unixPath: path)
        var requests: [UInt8] = []
        while true {
            let chunk = receive(0)
            if chunk.isEmpty { break }
            requests += chunk
        }
        send(requests, to: connection.number)
        Socket.finishSending(connection)
        var missing = requests.count { $0 == UInt8(ascii: "\n") }
        var line: [UInt8] = []
        while missing > 0 {
            let chunk = receive(connection.number)
            if chunk.isEmpty { break }
            for byte in chunk {
                line.append(byte)
                guard byte == UInt8(ascii: "\n") else { continue }
                // A connection that subscribed is told of other things too.
                if line.starts(with: Array("{\"jsonrpc\":\"2.0\",\"id\":".utf8)) {
                    missing -= 1
                    send(line, to: 1)
                }
                line = []
            }
        }
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
