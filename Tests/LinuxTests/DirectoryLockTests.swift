import Glibc
import Linux
import TestSupport
import Testing

/// Checks whether a lock was got; `#expect` itself takes no value that cannot be copied.
func expect(
    _ lock: borrowing DirectoryLock?,
    held expected: Bool,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let held = lock != nil
    #expect(held == expected, sourceLocation: sourceLocation)
}

struct DirectoryLockTests {
    @Test("only one holds a directory, and the next gets it afterwards")
    func exclusion() async throws {
        try await withTemporaryDirectory { directory in
            func holdAndTry() throws {
                let first = try DirectoryLock.acquire(directory)
                expect(first, held: true)
                let second = try DirectoryLock.acquire(directory)
                expect(second, held: false)
            }
            try holdAndTry()
            // Not at once: a child that another test has just forked holds it until its exec.
            try await waitUntil("the lock is free") {
                let next = try DirectoryLock.acquire(directory)
                return next != nil
            }
        }
    }

    @Test("the lock names its holder, in a file that only the owner reads")
    func holder() async throws {
        try await withTemporaryDirectory { directory in
            #expect(DirectoryLock.holder(of: directory) == nil)
            let lock = try DirectoryLock.acquire(directory)
            expect(lock, held: true)
            #expect(DirectoryLock.holder(of: directory) == getpid())
            var status = stat()
            #expect(unsafe stat("\(directory)/lock", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test("a shorter process id leaves nothing of a longer one")
    func rewrittenHolder() async throws {
        try await withTemporaryDirectory { directory in
            try File.write("1234567890\n", to: "\(directory)/lock")
            let lock = try DirectoryLock.acquire(directory)
            expect(lock, held: true)
            #expect(try File.text("\(directory)/lock") == "\(getpid())\n")
        }
    }

    @Test("a symbolic link in place of the lock is not followed")
    func symbolicLink() async throws {
        try await withTemporaryDirectory { directory in
            #expect(unsafe symlink("/etc/hostname", "\(directory)/lock") == 0)
            let error = #expect(throws: SystemError.self) { _ = try DirectoryLock.acquire(directory) }
            #expect(error?.code == ELOOP)
        }
    }

    @Test("a directory that is not there is an error, not a lock held by another")
    func missingDirectory() throws {
        let error = #expect(throws: SystemError.self) { _ = try DirectoryLock.acquire("/nowhere") }
        #expect(error?.code == ENOENT)
    }
}
