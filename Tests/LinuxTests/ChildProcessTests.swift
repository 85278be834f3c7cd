import Glibc
import Linux
import TestSupport
import Testing

/// Starts `script` in the shell, with what it prints going to `output`.
private func shell(_ script: String, output: borrowing FileDescriptor) -> ChildProcess.Command {
    var command = ChildProcess.Command(executable: "/bin/sh", arguments: ["-c", script])
    command.output = output.number
    return command
}

/// What `command`, given by `make`, printed before it ended with status 0.
private func printed(
    in directory: String,
    _ make: (borrowing FileDescriptor) -> ChildProcess.Command
) throws -> String {
    let path = "\(directory)/output"
    let output = try FileDescriptor.open(path, flags: O_WRONLY | O_CREAT | O_TRUNC)
    var child = try ChildProcess.start(make(output))
    let status = try child.wait(until: Instant.now.advanced(by: .seconds(10)))
    #expect(status == .exited(0))
    return try File.text(path)
}

/// Whether the process has ended; a zombie counts, whose parent only has not collected it yet.
private func hasEnded(_ processID: Int32) -> Bool {
    guard let status = try? File.text("/proc/\(processID)/stat") else { return true }
    return status.split(separator: ")").last?.split(separator: " ").first == "Z"
}

/// Starts the test program and returns it with the process id of the child that it started.
private func startTestProgram(
    _ arguments: [String],
    in directory: String
) async throws -> (parent: LaunchedProcess, child: Int32) {
    let command = ChildProcess.Command(executable: try Product.path("LinuxTestProgram"), arguments: arguments)
    let output = "\(directory)/output"
    let parent = try await LaunchedProcess.start(command, log: "\(directory)/log", output: output)
    try await waitUntil("the program has named its child") { try File.text(output).hasSuffix("\n") }
    let child = try #require(Int32(File.text(output).dropLast()))
    return (parent, child)
}

struct ChildProcessTests {
    @Test("an exit status arrives", arguments: [0, 1, 127, 255] as [Int32])
    func exitStatus(_ code: Int32) throws {
        var child = try ChildProcess.start(.init(executable: "/bin/sh", arguments: ["-c", "exit \(code)"]))
        #expect(try child.wait(until: Instant.now.advanced(by: .seconds(10))) == .exited(code))
        #expect(try child.reap() == .exited(code))
    }

    @Test("a process ended by a signal names the signal")
    func signal() throws {
        var child = try ChildProcess.start(.init(executable: "/bin/sleep", arguments: ["600"]))
        #expect(try child.reap() == nil)
        #expect(try child.wait(until: Instant.now.advanced(by: .milliseconds(10))) == nil)
        try child.signal(SIGTERM)
        #expect(try child.wait(until: Instant.now.advanced(by: .seconds(10))) == .signalled(SIGTERM))
        try child.signal(SIGTERM)
    }

    @Test("a value that ends takes its process with it")
    func valueEnds() throws {
        func start() throws -> Int32 {
            let child = try ChildProcess.start(.init(executable: "/bin/sleep", arguments: ["600"]))
            return child.processID
        }
        let processID = try start()
        #expect(kill(processID, 0) == -1)
        #expect(errno == ESRCH)
    }

    @Test("a program that cannot be executed is reported with the reason")
    func execFailure() throws {
        #expect(throws: SystemError(code: ENOENT, operation: "exec /nowhere/program")) {
            _ = try ChildProcess.start(.init(executable: "/nowhere/program"))
        }
        #expect(throws: SystemError(code: EACCES, operation: "exec /etc/passwd")) {
            _ = try ChildProcess.start(.init(executable: "/etc/passwd"))
        }
    }

    @Test("a working directory that is not there is reported")
    func directoryFailure() throws {
        var command = ChildProcess.Command(executable: "/bin/true")
        command.workingDirectory = "/nowhere"
        #expect(throws: SystemError(code: ENOENT, operation: "chdir /nowhere")) {
            _ = try ChildProcess.start(command)
        }
    }

    @Test("an argument with a NUL is refused instead of cut short")
    func argumentWithNUL() throws {
        let error = #expect(throws: SystemError.self) {
            _ = try ChildProcess.start(.init(executable: "/bin/echo", arguments: ["a\0b"]))
        }
        #expect(error?.code == EINVAL)
    }

    @Test("arguments, environment and working directory arrive as given")
    func surroundings() async throws {
        try await withTemporaryDirectory { directory in
            let text = try printed(in: directory) { output in
                var command = shell(#"printf '%s|' "$1" "$2" "$COLOUR" "$HOME"; pwd"#, output: output)
                command.arguments += ["sh", "two words", ""]
                command.environment = ["COLOUR=deep blue"]
                command.workingDirectory = directory
                return command
            }
            #expect(text == "two words||deep blue||\(directory)\n")
        }
    }

    @Test("words and variables that are not UTF-8 arrive byte for byte, behind those that are")
    func bytes() async throws {
        try await withTemporaryDirectory { directory in
            let text = try printed(in: directory) { output in
                var command = shell(#"printf %s "$1$2$V" | od -An -tx1"#, output: output)
                command.arguments += ["sh", "a"]
                command.words = [[0xE9, 0xFF]]
                command.environment = ["PATH=/usr/bin:/bin"]
                command.variables = [Array("V=".utf8) + [0x80]]
                return command
            }
            #expect(text == " 61 e9 ff 80\n")
        }
    }

    @Test("without an environment of its own it has this process' environment")
    func inheritedEnvironment() async throws {
        try await withTemporaryDirectory { directory in
            let text = try printed(in: directory) { shell("printf %s \"$PATH\"", output: $0) }
            #expect(text == Environment["PATH"])
        }
    }

    @Test("standard input is empty, or the file given")
    func standardInput() async throws {
        try await withTemporaryDirectory { directory in
            #expect(try printed(in: directory) { shell("cat", output: $0) } == "")
            try File.write("some input", to: "\(directory)/input")
            let input = try FileDescriptor.open("\(directory)/input", flags: O_RDONLY)
            let text = try printed(in: directory) { output in
                var command = shell("cat", output: output)
                command.input = input.number
                return command
            }
            #expect(text == "some input")
        }
    }

    @Test("standard output and standard error go where they should, also crossed")
    func standardDescriptors() async throws {
        try await withTemporaryDirectory { directory in
            let error = try FileDescriptor.open("\(directory)/error", flags: O_WRONLY | O_CREAT)
            let text = try printed(in: directory) { output in
                var command = shell("echo out; echo error >&2", output: output)
                command.error = error.number
                return command
            }
            #expect(text == "out\n")
            #expect(try File.text("\(directory)/error") == "error\n")
        }
    }

    @Test("only the descriptors that were named are open in it")
    func descriptors() async throws {
        try await withTemporaryDirectory { directory in
            // Both would survive an exec by themselves.
            let kept = FileDescriptor(owning: dup(0))
            let other = FileDescriptor(owning: dup(0))
            let text = try printed(in: directory) { output in
                var command = shell("for file in /proc/$$/fd/*; do echo ${file##*/}; done", output: output)
                command.inheritedDescriptors = [kept.number]
                return command
            }
            let open = Set(text.split(separator: "\n").compactMap { Int32($0) })
            #expect(open.isSuperset(of: [0, 1, 2, kept.number]))
            #expect(!open.contains(other.number))
            // The shell has one more open while it reads the directory.
            #expect(open.count <= 5)
        }
    }

    @Test("signals are neither blocked nor ignored in it")
    func signals() async throws {
        var blocked = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&blocked)
        unsafe sigaddset(&blocked, SIGUSR1)
        let text = try await withTemporaryDirectory { directory in
            unsafe pthread_sigmask(SIG_BLOCK, &blocked, &before)
            defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
            return try printed(in: directory) { output in
                var command = ChildProcess.Command(
                    executable: "/bin/grep",
                    arguments: ["-E", "^Sig(Blk|Ign)", "/proc/self/status"]
                )
                command.output = output.number
                return command
            }
        }
        #expect(text == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
    }

    @Test("it can lead a process group of its own")
    func processGroup() throws {
        var command = ChildProcess.Command(executable: "/bin/sleep", arguments: ["600"])
        let member = try ChildProcess.start(command)
        #expect(getpgid(member.processID) == getpgrp())
        command.ownProcessGroup = true
        let leader = try ChildProcess.start(command)
        #expect(getpgid(leader.processID) == leader.processID)
    }

    @Test("it dies with the process that started it")
    func parentDeath() async throws {
        try await withTemporaryDirectory { directory in
            let (parent, child) = try await startTestProgram(["starve"], in: directory)
            #expect(!hasEnded(child))
            try parent.signal(SIGKILL)
            try await parent.end()
            try await waitUntil("the child is gone") { hasEnded(child) }
        }
    }

    @Test("a lock that it inherited lasts until it has ended")
    func inheritedLock() async throws {
        try await withTemporaryDirectory { directory in
            let (parent, child) = try await startTestProgram(["keep-lock", directory], in: directory)
            defer { kill(child, SIGKILL) }
            try parent.signal(SIGKILL)
            try await parent.end()
            #expect(!hasEnded(child))
            let second = try DirectoryLock.acquire(directory)
            expect(second, held: false)
            #expect(DirectoryLock.holder(of: directory) == parent.processID)

            kill(child, SIGKILL)
            try await waitUntil("the lock is free") {
                let third = try DirectoryLock.acquire(directory)
                return third != nil
            }
        }
    }
}
