import Bytes
import Contract
import JSON
import Testing

@Suite("The OpenRPC document")
struct OpenRPCTests {
    private func parsed(_ text: StaticString) throws -> Document {
        try Document.parse(ByteView(text))
    }

    /// Every target of a reference in a document.
    private func references(in document: Document) -> [String] {
        switch document {
        case .object(let members):
            members.flatMap { member in
                member.name == "$ref" ? [member.value.string ?? ""] : references(in: member.value)
            }
        case .array(let elements): elements.flatMap(references)
        default: []
        }
    }

    @Test("is of version 1.3 and lists every method")
    func methods() throws {
        let document = try parsed(OpenRPC.document)
        #expect(document["openrpc"]?.string?.hasPrefix("1.3.") == true)
        let names = document["methods"]?.array?.map { $0["name"]?.string }
        #expect(names == Method.allCases.map { "\($0.name)" })
    }

    @Test("is one compact line")
    func compact() throws {
        #expect(ByteView(OpenRPC.document).firstIndex(of: UInt8(ascii: "\n")) == nil)
        #expect(try parsed(OpenRPC.document).text(style: .compact) == "\(OpenRPC.document)")
    }

    @Test("refers only to what it holds")
    func links() throws {
        let document = try parsed(OpenRPC.document)
        let references = references(in: document)
        #expect(!references.isEmpty)
        for reference in references {
            #expect(reference.hasPrefix("#/"))
            #expect(document[pointer: String(reference.dropFirst())] != nil, "\(reference)")
        }
    }

    @Test("puts required parameters first", arguments: Method.allCases)
    func order(method: Method) throws {
        let params = try #require(try parsed(OpenRPC.document(of: method))["params"]?.array)
        let required = params.map { $0["required"]?.boolean == true }
        #expect(required == required.sorted { $0 && !$1 })
    }

    @Test("of one method stands by itself and says the same", arguments: Method.allCases)
    func alone(method: Method) throws {
        let document = try parsed(OpenRPC.document(of: method))
        #expect(references(in: document).isEmpty)
        let whole = try parsed(OpenRPC.document)
        let twin = try #require(whole["methods"]?.array?.first { $0["name"] == document["name"] })
        #expect(document["name"] == .string("\(method.name)"))
        for member in ["summary", "description", "examples", "x-idempotency", "x-since", "x-deadline_ms", "x-rules"] {
            #expect(document[member] == twin[member])
        }
        #expect(document["params"]?.array?.map { $0["name"] } == twin["params"]?.array?.map { $0["name"] })
        #expect(document["errors"]?.array?.count == twin["errors"]?.array?.count)
    }

    @Test("gives every error the code that the agent answers with")
    func errors() throws {
        let errors = try parsed(OpenRPC.document)[pointer: "/components/errors"]
        for kind in ErrorKind.allCases {
            #expect(errors?["\(kind.kind)"]?["code"] == .integer(Int64(kind.code)))
            #expect(errors?["\(kind.kind)"]?[pointer: "/data/retryable"] == .boolean(kind.isRetryable))
        }
    }
}
