import CLinux
import Glibc

/// Programs installed on this host.
public enum Executable {
    /// Finds the program that a shell would start for `name`.
    ///
    /// - Parameters:
    ///   - name: A name without a slash; a path is returned as it is where it can be executed.
    ///   - searchPath: Directories separated by colons; nil for `PATH`, or the system's directories where that is unset.
    /// - Returns: Its path, nil where there is none that this process may execute, or where that is not UTF-8.
    public static func find(_ name: String, searchPath: String? = nil) -> String? {
        find(Array(name.utf8), searchPath: searchPath.map { Array($0.utf8) }).flatMap {
            String(validating: $0, as: UTF8.self)
        }
    }

    /// Finds the program that a shell would start for `name`, byte for byte.
    ///
    /// - Parameters: As of ``find(_:searchPath:)``.
    /// - Returns: Its path, nil where there is none that this process may execute.
    public static func find(_ name: [UInt8], searchPath: [UInt8]? = nil) -> [UInt8]? {
        let slash = UInt8(ascii: "/")
        if name.contains(slash) { return isExecutable(name) ? name : nil }
        let path = searchPath ?? Environment.bytes("PATH") ?? Array(standardPath.utf8)
        for directory in path.split(separator: UInt8(ascii: ":")) {
            let candidate = Array(directory) + [slash] + name
            if isExecutable(candidate) { return candidate }
        }
        return nil
    }

    private static let standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// The program `name` in the directory of this process' own program; nil where there is none.
    public static func sibling(_ name: String) -> String? {
        let capacity = 4096
        var path = [CChar](repeating: 0, count: capacity)
        let count = unsafe readlink("/proc/self/exe", &path, capacity)
        guard count > 0 else { return nil }
        let own = String(decoding: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return find("\(Directory.parent(of: own))/\(name)")
    }

    /// Has this process become another program, with the same environment and descriptors.
    ///
    /// - Returns: Why it did not; otherwise the call never returns.
    public static func become(_ path: String, _ arguments: [String]) -> SystemError {
        do throws(SystemError) {
            let texts = try CStringArray(([path] + arguments).map { Array($0.utf8) })
            unsafe execv(path, texts.base)
        } catch {
            return error
        }
        return .current("exec \(path)")
    }

    private static func isExecutable(_ path: [UInt8]) -> Bool {
        guard !path.contains(0) else { return false }
        let path = (path + [0]).map { CChar(bitPattern: $0) }
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        return unsafe access(path, X_OK) == 0
    }
}

/// The environment of this process.
public enum Environment {
    /// The value of the variable `name`, nil where it is unset.
    public static subscript(name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// The value of the variable `name` byte for byte, nil where it is unset.
    static func bytes(_ name: String) -> [UInt8]? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe ProcessWords.bytes(of: value)
    }
}
