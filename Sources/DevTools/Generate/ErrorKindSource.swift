/// Makes `ErrorKind`: the errors that calls may end with.
struct ErrorKindSource {
    private let kinds: [ErrorFile.Kind]

    /// Makes it for the kinds of `proto/errors.json`.
    init(_ file: ErrorFile) {
        kinds = file.kinds
    }

    /// The file's text.
    var text: String {
        var source = SourceText(madeOf: ErrorFile.file)
        source.documentation("An error that a call may end with.")
        source.block("public enum ErrorKind: UInt8, CaseIterable, Sendable") { source in
            for kind in kinds {
                source.documentation(kind.summary + " " + kind.when)
                source.line("case \(SwiftName.member(kind.kind))")
            }
            source.line()
            writeTable(&source, "Number in `code` of the reply.", "code: Int") { "\($0.code)" }
            source.line()
            writeTable(&source, "Name in `data.kind` of the reply.", "kind: StaticString") { "\"\($0.kind)\"" }
            source.line()
            writeTable(&source, "What it says, where there is nothing better to say.", "summary: StaticString") {
                "\"\($0.summary.dropLast())\""
            }
            source.line()
            writeRetryable(&source)
        }
        return source.text
    }

    private func writeTable(
        _ source: inout SourceText,
        _ documentation: String,
        _ declaration: String,
        _ value: (ErrorFile.Kind) -> String
    ) {
        source.documentation(documentation)
        source.block("public var \(declaration)") { source in
            source.line("switch self {")
            for kind in kinds { source.line("case .\(SwiftName.member(kind.kind)): \(value(kind))") }
            source.line("}")
        }
    }

    private func writeRetryable(_ source: inout SourceText) {
        source.documentation("Whether the same call may succeed when sent again, unless the reply says otherwise.")
        source.block("public var isRetryable: Bool") { source in
            source.line("switch self {")
            for (answer, kinds) in [(true, kinds.filter(\.isRetryable)), (false, kinds.filter { !$0.isRetryable })] {
                guard let last = kinds.last else { continue }
                for kind in kinds.dropLast() {
                    source.line((kind.code == kinds[0].code ? "case " : "    ") + ".\(SwiftName.member(kind.kind)),")
                }
                source.line((kinds.count == 1 ? "case " : "    ") + ".\(SwiftName.member(last.kind)):")
                source.line("    \(answer)")
            }
            source.line("}")
        }
    }
}
