import CLinux
import Glibc

/// The command line and the environment of this process, byte for byte.
///
/// The kernel does not promise that they are UTF-8: a file may be called anything. A `String` made of other bytes names
/// something else, so whoever needs text asks ``text(_:)``, and refuses what is none.
public enum ProcessWords {
    /// The words behind the program's name.
    public static var arguments: [[UInt8]] {
        (1..<max(Int(CommandLine.argc), 1)).compactMap { index in
            unsafe CommandLine.unsafeArgv[index].map { unsafe bytes(of: $0) }
        }
    }

    /// The variables: `NAME=value` each.
    public static var environment: [[UInt8]] {
        var entries: [[UInt8]] = []
        var next = unsafe squire_environment()
        while let entry = unsafe next?.pointee {
            entries.append(unsafe bytes(of: entry))
            unsafe next = next?.advanced(by: 1)
        }
        return entries
    }

    /// The names of the variables whose value is not UTF-8.
    public static var variablesThatAreNoText: [String] {
        environment.filter { text($0) == nil }.compactMap { entry in
            entry.split(separator: UInt8(ascii: "="), maxSplits: 1).first.flatMap { text(Array($0)) }
        }
    }

    /// A word as text; nil where it is not UTF-8.
    public static func text(_ word: [UInt8]) -> String? {
        String(validating: word, as: UTF8.self)
    }

    /// The bytes of a text of the C library, without the NUL at its end.
    @unsafe
    static func bytes(of text: UnsafePointer<CChar>) -> [UInt8] {
        unsafe [UInt8](UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}
