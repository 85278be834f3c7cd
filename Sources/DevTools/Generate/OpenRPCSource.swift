import JSON

/// Makes the literals that hold the OpenRPC document.
struct OpenRPCSource {
    private let document: OpenRPCDocument
    private let methods: [MethodFile]

    /// Makes them for a document and its methods.
    init(_ document: OpenRPCDocument, _ methods: [MethodFile]) {
        self.document = document
        self.methods = methods
    }

    /// Text of the file with the whole document.
    func wholeText() throws(ProtoFault) -> String {
        let whole = try document.whole()
        let json = whole.text(style: .compact)
        let version = whole[pointer: "/info/version"]?.string ?? ""
        var source = SourceText(madeOf: "proto/")
        source.documentation("The contract as an OpenRPC document.")
        source.block("public enum OpenRPC") { source in
            source.documentation("Version of the contract and of the programs that serve and call it.")
            source.line("public static let version: StaticString = \"\(version)\"")
            source.documentation("The whole document as compact JSON: what `rpc.discover` answers.")
            source.literal("public static let document: StaticString = ", json)
        }
        return source.text
    }

    /// Text of the file with a document for each method.
    func methodsText() throws(ProtoFault) -> String {
        var source = SourceText(madeOf: "proto/")
        try source.block("extension OpenRPC") { source throws(ProtoFault) in
            source.documentation("The Method Object of a method as compact JSON, with its schemas and errors in place.")
            source.block("public static func document(of method: Method) -> StaticString") { source in
                source.line("switch method {")
                for method in methods {
                    let name = SwiftName.member(method.name)
                    source.line("case .\(name): \(name)")
                }
                source.line("}")
            }
            for method in methods {
                let json = try document.alone(method).text(style: .compact)
                source.line()
                source.literal("private static let \(SwiftName.member(method.name)): StaticString = ", json)
            }
        }
        return source.text
    }
}
