import Linux
import TestSupport
import Testing

struct ExecutableTests {
    @Test("a program is found in the first directory that has it")
    func order() async throws {
        try await withTemporaryDirectory { directory in
            try File.write("#!/bin/sh\n", to: "\(directory)/sh", mode: 0o700)
            #expect(Executable.find("sh", searchPath: "/nowhere:\(directory):/bin") == "\(directory)/sh")
            #expect(Executable.find("sh", searchPath: "/bin:\(directory)") == "/bin/sh")
        }
    }

    @Test("what cannot be executed is no program")
    func notExecutable() async throws {
        try await withTemporaryDirectory { directory in
            try File.write("", to: "\(directory)/file")
            #expect(Executable.find("file", searchPath: directory) == nil)
            #expect(Executable.find("\(directory)/file") == nil)
            #expect(Executable.find("tmp", searchPath: "/") == nil)
        }
    }

    @Test("a path is not searched for")
    func path() {
        #expect(Executable.find("/bin/sh") == "/bin/sh")
        #expect(Executable.find("./sh", searchPath: "/bin") == nil)
    }
}
