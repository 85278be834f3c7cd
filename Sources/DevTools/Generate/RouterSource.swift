/// Makes the switch that takes each call to the function of its method.
///
/// `cache.get_many` is answered by `cache.getMany(CacheGetManyParameters, CallContext)`, where `cache` is a member of
/// `Features`; a method without parameters by a function of the context alone, which does not throw.
struct RouterSource {
    /// Path of the file.
    static let path = "Sources/Agent/Generated/Features+Perform.swift"

    /// Where `Features` is declared; it imports the modules of all its members, which the switch needs too.
    static let features = "Sources/Agent/Features.swift"

    private let methods: [MethodFile]
    private let imports: [String]

    /// Makes it for these methods, sorted by name.
    ///
    /// - Parameters:
    ///   - methods: The methods.
    ///   - features: The text of ``features``.
    init(_ methods: [MethodFile], features: String) {
        self.methods = methods
        imports = features.split(separator: "\n").map(String.init).filter { $0.hasPrefix("import ") }
    }

    /// The file's text.
    var text: String {
        var source = SourceText(madeOf: "proto/")
        for line in imports { source.line(line) }
        source.line()
        source.block("extension Features") { source in
            source.documentation("Decodes the parameters of a call and takes it to the function of its method.")
            source.line("///")
            source.line("/// - Throws: ``RPCError`` where the call cannot even begin.")
            source.block(
                "func perform(_ method: Method, _ arguments: Arguments, _ context: CallContext) throws(RPCError)"
            ) { source in
                source.line("switch method {")
                for method in methods { write(method, &source) }
                source.line("}")
            }
        }
        return source.text
    }

    private func write(_ method: MethodFile, _ source: inout SourceText) {
        let function = "\(method.group).\(SwiftName.member(method.verb))"
        source.line("case .\(SwiftName.member(method.name)):")
        if method.fields.parameters.isEmpty {
            source.line("    _ = try decode(NoParameters.init, arguments)")
            source.line("    \(function)(context)")
        } else {
            let type = SwiftName.type(method.name) + "Parameters"
            source.line("    try \(function)(decode(\(type).init, arguments), context)")
        }
    }
}
