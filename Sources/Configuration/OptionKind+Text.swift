import Crypto
import JSON
import Linux
import Observability
import Valkey

extension OptionKind where Value == String {
    /// A text of bounded length that satisfies a rule.
    ///
    /// - Parameters:
    ///   - expectation: What it must be, in words.
    ///   - pattern: The rule as a regular expression, as far as one can say it; for editors.
    ///   - rule: Whether a text is one.
    /// - Returns: The kind.
    private static func text(
        _ expectation: String,
        pattern: String? = nil,
        _ rule: @escaping @Sendable (String) -> Bool
    ) -> OptionKind {
        var schema = DocumentObject([("type", "string")])
        schema["pattern"] = pattern.map { .string($0) }
        return OptionKind(
            expectation: expectation,
            schema: schema,
            decode: { (document) throws(Refusal) in
                guard let text = document.string, rule(text) else { throw Refusal() }
                return text
            },
            encode: { .string($0) }
        )
    }

    /// Any text of at most so many bytes.
    static func text(bytesMax: Int) -> OptionKind {
        text("a string of at most \(bytesMax) bytes") { $0.utf8.count <= bytesMax }
    }

    /// A path from the root of the file system.
    static func absolutePath(bytesMax: Int) -> OptionKind {
        text("an absolute path of at most \(bytesMax) bytes", pattern: "^/") {
            $0.hasPrefix("/") && $0.utf8.count <= bytesMax && !$0.utf8.contains(0)
        }
    }

    /// A program: its name, or the path to it.
    static var program: OptionKind {
        text("the name of a program or an absolute path to one", pattern: "^(/.+|[^/]+)$") {
            guard !$0.isEmpty, $0.utf8.count <= 4095, !$0.utf8.contains(0) else { return false }
            return $0.hasPrefix("/") || !$0.contains("/")
        }
    }

    /// A host name or an IP address, as a certificate has them.
    static var serverName: OptionKind {
        text("a host name or an IP address", pattern: "^[A-Za-z0-9._:-]{1,253}$") { text in
            (1...253).contains(text.utf8.count)
                && text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                    default: "._:-".utf8.contains(byte)
                    }
                }
        }
    }

    /// One of a few words.
    static func choice(_ words: [String]) -> OptionKind {
        let quoted = words.map { "\"\($0)\"" }
        let list = quoted.dropLast().joined(separator: ", ") + " or " + (quoted.last ?? "")
        return OptionKind(
            expectation: list,
            schema: DocumentObject([("type", "string"), ("enum", .array(words.map { .string($0) }))]),
            decode: { (document) throws(Refusal) in
                guard let word = document.string, words.contains(word) else { throw Refusal() }
                return word
            },
            encode: { .string($0) }
        )
    }

    /// A size in memory as Valkey's own configuration has it (`memtoull` in its util.c), 1 MiB at least.
    static var memorySize: OptionKind {
        text(
            "a size of at least 1mb: a number, then nothing, b, k, kb, m, mb, g or gb",
            pattern: "^[0-9]+([bB]|[kKmMgG][bB]?)?$"
        ) { text in
            MemorySize.bytes(text).map { $0 >= 1 << 20 } ?? false
        }
    }
}

extension OptionKind where Value == [String] {
    /// Absolute paths, none twice: an array in the file, separated by colons in a variable.
    static func paths(max count: Int) -> OptionKind {
        let path = OptionKind<String>.absolutePath(bytesMax: 4095)
        return OptionKind(
            expectation: "an array of at most \(count) absolute paths, none twice",
            schema: DocumentObject([
                ("type", "array"), ("items", .object(path.schema)), ("maxItems", .integer(Int64(count))),
            ]),
            listForm: "with colons between its paths",
            decode: { (document) throws(Refusal) in
                // A variable gives a text.
                let listed = document.string.map { text in
                    Document.array(text.split(separator: ":").map { .string(String($0)) })
                }
                guard let elements = (listed ?? document).array, elements.count <= count else { throw Refusal() }
                var paths: [String] = []
                for element in elements {
                    let path = try path.decode(element)
                    guard !paths.contains(path) else { throw Refusal() }
                    paths.append(path)
                }
                return paths
            },
            encode: { .array($0.map { .string($0) }) }
        )
    }
}

extension OptionKind where Value == UInt32 {
    /// Permissions of a file that others cannot write.
    static var mode: OptionKind {
        OptionKind(
            expectation: "a string of three octal digits, with or without a 0 before them, that lets others not write",
            schema: DocumentObject([("type", "string"), ("pattern", "^0?[0-7]{2}[0145]$")]),
            decode: { (document) throws(Refusal) in
                guard let text = document.string, text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
                    text.utf8.count == 3 || text.utf8.count == 4 && text.hasPrefix("0"),
                    let mode = UInt32(text, radix: 8), mode & 0o002 == 0
                else { throw Refusal() }
                return mode
            },
            encode: { mode in
                let digits = String(mode, radix: 8)
                return .string(String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits)
            }
        )
    }
}

extension OptionKind where Value == StoreURL {
    /// Where a store is; shown without its password.
    static var url: OptionKind {
        OptionKind(
            expectation:
                "a URL: valkey://[user[:password]@]host[:port][/db], valkeys://… for TLS, or unix:///path[?db=N]",
            schema: DocumentObject([("type", "string"), ("pattern", "^(valkeys?|rediss?|unix)://")]),
            decode: { (document) throws(Refusal) in
                // What is refused is told in one line, and the words for it may name the scheme.
                guard let text = document.string, Printable.isPlain(text) else { throw Refusal() }
                do throws(EndpointFault) {
                    return try StoreURL(text)
                } catch {
                    throw Refusal(error.description)
                }
            },
            encode: { .string($0.masked) }
        )
    }
}

extension OptionKind where Value == Log.Level {
    /// A level by its name.
    static var level: OptionKind {
        OptionKind<String>.choice(Log.Level.allCases.map(\.name)).converted(
            to: { (name) throws(Refusal) in
                guard let level = Log.Level.allCases.first(where: { $0.name == name }) else { throw Refusal() }
                return level
            },
            from: \.name
        )
    }
}

extension OptionKind where Value == TLSVersion {
    /// A version of TLS.
    static var version: OptionKind {
        OptionKind<String>.choice(TLSVersion.allCases.map(\.rawValue)).converted(
            to: { (name) throws(Refusal) in
                guard let version = TLSVersion(rawValue: name) else { throw Refusal() }
                return version
            },
            from: \.rawValue
        )
    }
}

extension OptionKind where Value == Log.Format {
    /// A format by its name.
    static var format: OptionKind {
        OptionKind<String>.choice(Log.Format.allCases.map(\.rawValue)).converted(
            to: { (name) throws(Refusal) in
                guard let format = Log.Format(rawValue: name) else { throw Refusal() }
                return format
            },
            from: \.rawValue
        )
    }
}
