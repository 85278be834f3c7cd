import JSON
import TestSupport
import Testing

@testable import DevTools

@Suite("Every example of the contract")
struct ContractExampleTests {
    /// What `proto/` says; the test process runs in the package's directory.
    private static func contract() throws -> ContractFiles { try ContractFiles(try Project()) }

    static let methodNames = (try? contract())?.methods.map(\.name) ?? []

    @Test("is read, for as many methods as the agent lists")
    func complete() async throws {
        let names = try Self.contract().methods.map(\.name)
        #expect(names.count == Self.methodNames.count)
        try await withAgent { agent in
            let listed = try await agent.connect().result(of: "rpc.discover")["methods"]?.array
            #expect(listed?.compactMap { $0["name"]?.string }.sorted() == names.sorted())
        }
    }

    @Test("is what a real agent answers, by name and by position", arguments: methodNames)
    func examples(method name: String) async throws {
        let contract = try Self.contract()
        let method = try #require(contract.methods.first { $0.name == name })
        try #require(!method.examples.isEmpty)
        try await withAgent { agent in
            for example in method.examples {
                for params in try forms(of: example.params, method) {
                    try agent.server.command("FLUSHALL")
                    let client = try agent.connect()
                    var last: Document?
                    for call in example.before {
                        last = try await client.result(of: call.method, call.params.document.text(style: .compact))
                    }
                    let taken = try Self.taking(example.takes, from: last, params, method)
                    let reply = try Document.parse(try await client.reply(to: name, taken.text(style: .compact)))
                    let title = "\(name), \(example.name), \(params.text(style: .compact))"
                    try check(reply, example, method, contract, title)
                }
            }
        }
    }

    /// The parameters with what comes from the result of the last call before.
    private static func taking(
        _ takes: [(name: String, pointer: String)],
        from result: Document?,
        _ params: Document,
        _ method: MethodFile
    ) throws -> Document {
        if takes.isEmpty { return params }
        var object = params.object
        var elements = params.array
        for (name, pointer) in takes {
            let value = try #require(result?[pointer: pointer])
            let position = try #require(method.fields.parameters.firstIndex { $0.name == name })
            object?[name] = value
            elements?[position] = value
        }
        return object.map { .object($0) } ?? .array(elements ?? [])
    }

    /// The parameters as written, and the other way where they can be written in it.
    private func forms(of params: Place, _ method: MethodFile) throws -> [Document] {
        let fields = method.fields.parameters
        if params.document.array != nil {
            var object = DocumentObject()
            for (name, place) in try Example.named(params, method.fields) { object[name] = place.document }
            return [params.document, .object(object)]
        }
        guard let object = params.document.object,
            object.names.allSatisfy({ name in fields.contains { $0.name == name } })
        else { return [params.document] }
        let last = fields.lastIndex { object[$0.name] != nil } ?? -1
        let given = fields.prefix(last + 1)
        // Null stands for a parameter that is not given, but for those of which null is a value.
        guard given.allSatisfy({ object[$0.name] != nil || !$0.isNullable }) else { return [params.document] }
        return [params.document, .array(given.map { object[$0.name] ?? .null })]
    }

    private func check(
        _ reply: Document,
        _ example: Example,
        _ method: MethodFile,
        _ contract: ContractFiles,
        _ name: String
    ) throws {
        switch example.outcome {
        case .result(let place):
            let result = try #require(reply["result"], "\(name): \(reply.text(style: .compact))")
            let objection = try method.result.objection(to: result, contract.definitions)
            #expect(objection == nil, "\(name): \(result.text(style: .compact).prefix(300))")
            for pointer in example.varies {
                #expect(
                    result[pointer: pointer] != nil,
                    "\(name): \(pointer) in \(result.text(style: .compact).prefix(300))"
                )
            }
            let (expected, found) = (place.document.without(example.varies), result.without(example.varies))
            #expect(found == expected, "\(name): \(result.text(style: .compact).prefix(300))")
        case .error(let kind, let data):
            let error = try #require(reply["error"], "\(name): \(reply.text(style: .compact))")
            let known = try #require(contract.errors.kinds.first { $0.kind == kind })
            #expect(error["code"]?.integer == known.code, "\(name)")
            #expect(error["message"]?.string?.isEmpty == false, "\(name)")
            #expect(error["data"]?["kind"]?.string == kind, "\(name)")
            #expect(error["data"]?["retryable"]?.boolean == known.isRetryable, "\(name)")
            for (member, value) in data { #expect(error["data"]?[member] == value, "\(name): \(member)") }
        }
    }
}

extension Document {
    /// The document with null at each of these places (RFC 6901).
    fileprivate func without(_ pointers: [String]) -> Document {
        pointers.reduce(self) { $0.without($1.split(separator: "/")[...]) }
    }

    private func without(_ path: ArraySlice<Substring>) -> Document {
        guard let first = path.first else { return .null }
        switch self {
        case .object(var object):
            let name = String(first)
            object[name] = object[name]?.without(path.dropFirst())
            return .object(object)
        case .array(var array):
            if let index = Int(first), array.indices.contains(index) {
                array[index] = array[index].without(path.dropFirst())
            }
            return .array(array)
        default:
            return self
        }
    }
}
