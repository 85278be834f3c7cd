/// Makes `Method`: the list of methods and how one is found by name.
struct MethodSource {
    private let methods: [MethodFile]

    /// Makes it for these methods, sorted by name.
    init(_ methods: [MethodFile]) {
        self.methods = methods
    }

    /// The file's text.
    var text: String {
        var source = SourceText(madeOf: "proto/")
        source.line("public import Bytes")
        source.line()
        source.documentation("A method that the agent answers.")
        source.block("public enum Method: UInt8, CaseIterable, Sendable") { source in
            for method in methods {
                source.documentation(method.summary)
                source.line("case \(SwiftName.member(method.name))")
            }
            source.line()
            writeLookup(&source)
            source.line()
            writeTable(&source, "The name on the wire.", "name: StaticString") { "\"\($0.name)\"" }
            source.line()
            writeTable(&source, "What doing a call twice means.", "idempotency: Idempotency") { ".\($0.idempotency)" }
            source.line()
            writeDeadlines(&source)
            source.line()
            writeGroups(&source)
            source.line()
            writeOperators(&source)
            source.line()
            writeParameters(&source)
        }
        return source.text
    }

    private func writeLookup(_ source: inout SourceText) {
        source.documentation("Finds a method by its name.")
        source.line("///")
        source.line("/// - Parameter bytes: The name, without escapes.")
        source.line("/// - Returns: The method, or nil where there is none of this name.")
        source.line("/// - Complexity: A switch over the length, then a comparison for each method of that length.")
        let lengths = Set(methods.map(\.name.utf8.count)).sorted()
        source.block("public static func named(_ bytes: ByteView) -> Method?") { source in
            source.line("switch bytes.count {")
            for length in lengths {
                source.line("case \(length):")
                for method in methods where method.name.utf8.count == length {
                    source.line("    if bytes.equals(\"\(method.name)\") { return .\(SwiftName.member(method.name)) }")
                }
            }
            source.line("default:")
            source.line("    break")
            source.line("}")
            source.line("return nil")
        }
    }

    private func writeTable(
        _ source: inout SourceText,
        _ documentation: String,
        _ declaration: String,
        _ value: (MethodFile) -> String
    ) {
        source.documentation(documentation)
        source.block("public var \(declaration)") { source in
            source.line("switch self {")
            for method in methods { source.line("case .\(SwiftName.member(method.name)): \(value(method))") }
            source.line("}")
        }
    }

    private func writeGroups(_ source: inout SourceText) {
        let groups = Set(methods.map(\.group)).sorted()
        source.documentation("What stands before the point in a method's name: the feature that it belongs to.")
        source.block("public enum Group: String, CaseIterable, Sendable") { source in
            for group in groups {
                source.documentation("The methods `\(group).*`.")
                source.line("case \(SwiftName.member(group))")
            }
        }
        source.line()
        source.documentation("The feature that the method belongs to.")
        source.block("public var group: Group") { source in
            source.line("switch self {")
            for method in methods {
                source.line("case .\(SwiftName.member(method.name)): .\(SwiftName.member(method.group))")
            }
            source.line("}")
        }
    }

    private func writeOperators(_ source: inout SourceText) {
        source.documentation("Whether only operators may call it, whom a policy names.")
        writeTruth("isOperator", of: methods.filter(\.isOperator), &source)
        source.line()
        source.documentation("Whether a policy grants it to none but those rules that name the method.")
        writeTruth("isOnlyGrantedByName", of: methods.filter(\.isOnlyGrantedByName), &source)
        source.line()
        source.documentation("Boolean parameters that, where one is true, make a call one of an operator.")
        source.block("public var operatorParameters: [StaticString]") { source in
            source.line("switch self {")
            for method in methods where !method.operatorParameters.isEmpty {
                let names = method.operatorParameters.map { "\"\($0)\"" }.joined(separator: ", ")
                source.line("case .\(SwiftName.member(method.name)): [\(names)]")
            }
            source.line("default: []")
            source.line("}")
        }
    }

    /// Writes a property that is true of some methods, of one at least.
    private func writeTruth(_ name: String, of methods: [MethodFile], _ source: inout SourceText) {
        source.block("public var \(name): Bool") { source in
            let members = methods.map { ".\(SwiftName.member($0.name))" }
            source.line("switch self {")
            source.switchCase("case \(members.joined(separator: ", ")):", "true")
            source.line("default: false")
            source.line("}")
        }
    }

    private func writeParameters(_ source: inout SourceText) {
        source.documentation("Names of the parameters, in the order of their positions.")
        source.block("public var parameterNames: [StaticString]") { source in
            source.line("switch self {")
            for method in methods {
                let names = method.fields.parameters.map { "\"\($0.name)\"" }
                source.switchCase("case .\(SwiftName.member(method.name)):", list: names)
            }
            source.line("}")
        }
    }

    private func writeDeadlines(_ source: inout SourceText) {
        source.documentation("Bound on a call that brings none, in milliseconds. What the call waits for comes on top.")
        source.block("public var deadlineMilliseconds: Int64") { source in
            source.line("switch self {")
            for method in methods where method.deadlineMilliseconds != MethodFile.deadlineDefault {
                source.line("case .\(SwiftName.member(method.name)): \(SourceText.number(method.deadlineMilliseconds))")
            }
            source.line("default: \(SourceText.number(MethodFile.deadlineDefault))")
            source.line("}")
        }
    }
}
