/// Makes the parameters of one method: a structure and its decoding.
struct ParametersSource {
    private let method: MethodFile

    /// Makes it for a method that has parameters.
    init(_ method: MethodFile) {
        self.method = method
    }

    /// Name of the structure.
    var typeName: String { SwiftName.type(method.name) + "Parameters" }

    /// The file's text.
    func text() throws(ProtoFault) -> String {
        let fields = FieldsSource(method.fields, place: method.place)
        try fields.checkNames()
        var source = SourceText(madeOf: method.place.file)
        source.line("public import JSON")
        source.line("public import JSONRPC")
        source.line()
        source.documentation("Parameters of `\(method.name)`, lent for the length of a call.")
        try source.block("public struct \(typeName)") { source throws(ProtoFault) in
            fields.writeProperties(&source)
            source.line()
            writeDecoding(fields, &source)
            source.line()
            fields.writePositions(&source)
            try writeNestedTypes(&source)
        }
        return source.text
    }

    private func writeDecoding(_ fields: FieldsSource, _ source: inout SourceText) {
        source.documentation("Decodes the parameters of a call, by name or by position.")
        source.line("///")
        source.line("/// - Throws: ``InvalidParameters`` that names the parameter at fault.")
        source.block("public init(_ arguments: Arguments) throws(InvalidParameters)") { source in
            source.line("try arguments.checkCount(atMost: \(method.fields.parameters.count))")
            fields.writeVariables(&source)
            source.block("for index in 0..<arguments.count") { source in
                source.line("let argument = arguments[index]")
                source.line("let position = arguments.form == .named ? Self.position(of: argument.name) : index")
                writePlaceholders(&source)
                source.line("switch position {")
                fields.writeCases(of: "argument.value", &source)
                source.line("default: try argument.checkMetadata()")
                source.line("}")
            }
            fields.writeConclusion(&source)
        }
    }

    /// A null by position means that nothing is given there, unless null is a value of the parameter.
    private func writePlaceholders(_ source: inout SourceText) {
        let nullable = method.fields.parameters.indices.filter { method.fields.parameters[$0].isNullable }
        let conditions = ["arguments.isPlaceholder(argument)"] + nullable.map { "position != \($0)" }
        source.line("if \(conditions.joined(separator: ", ")) { continue }")
    }

    private func writeNestedTypes(_ source: inout SourceText) throws(ProtoFault) {
        for parameter in method.fields.parameters {
            switch parameter.form {
            case .choice(let words):
                source.line()
                writeChoice(parameter, words, &source)
            case .objects(_, let fields):
                source.line()
                try writeObject(parameter, fields, &source)
            default:
                break
            }
        }
    }

    private func writeChoice(_ parameter: Parameter, _ words: [String], _ source: inout SourceText) {
        source.documentation("Values of `\(parameter.name)`.")
        source.block("public enum \(SwiftName.type(parameter.name)): ParameterChoice") { source in
            for word in words {
                source.line("/// `\(word)`.")
                source.line("case \(SwiftName.member(word))")
            }
            source.line()
            source.line("/// The words that are allowed.")
            source.line("public static var words: StaticString { \"\(words.joined(separator: " or "))\" }")
            source.line()
            source.line("/// The value called `text`, or nil.")
            source.block("public init?(_ text: JSONString)") { source in
                for (index, word) in words.enumerated() {
                    source.line(index == 0 ? "if text.equals(\"\(word)\") {" : "} else if text.equals(\"\(word)\") {")
                    source.line("    self = .\(SwiftName.member(word))")
                }
                source.line("} else {")
                source.line("    return nil")
                source.line("}")
            }
        }
    }

    private func writeObject(_ parameter: Parameter, _ members: Fields, _ source: inout SourceText) throws(ProtoFault) {
        let fields = FieldsSource(members, place: parameter.schema.place)
        try fields.checkNames()
        source.documentation("One of `\(parameter.name)`, lent for the length of a call.")
        source.block("public struct \(SwiftName.singularType(parameter.name)): ObjectParameter") { source in
            fields.writeProperties(&source)
            source.line()
            source.documentation("Decodes an object.")
            source.line("///")
            source.line("/// - Throws: ``InvalidParameters`` that names the member at fault.")
            source.block("public init(object: JSONValue) throws(InvalidParameters)") { source in
                fields.writeVariables(&source)
                source.line("var members = object.members()")
                source.block("while let member = members.next()") { source in
                    source.line("switch Self.position(of: member.name) {")
                    fields.writeCases(of: "member.value", &source)
                    source.line("default: throw .unknown(member.name)")
                    source.line("}")
                }
                fields.writeConclusion(&source)
            }
            source.line()
            fields.writePositions(&source)
            for member in members.parameters {
                guard case .choice(let words) = member.form else { continue }
                source.line()
                writeChoice(member, words, &source)
            }
        }
    }
}
