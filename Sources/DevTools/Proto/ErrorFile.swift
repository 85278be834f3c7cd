import JSON

/// The errors that calls may end with: `proto/errors.json`.
struct ErrorFile {
    /// One kind of error.
    struct Kind {
        /// JSON-RPC error code, unique.
        let code: Int64
        /// Name on the wire, unique.
        let kind: String
        /// What it says, in one sentence.
        let summary: String
        /// Whether the same call may succeed when it is sent again.
        let isRetryable: Bool
        /// When it is answered.
        let when: String
    }

    /// Path of the file.
    static let file = "proto/errors.json"

    /// Every kind, in the order of the file.
    let kinds: [Kind]

    /// Reads the file and checks that no code and no kind stands there twice.
    init(_ place: Place) throws(ProtoFault) {
        var kinds: [Kind] = []
        for row in try place.elements() {
            let kind = try Self.kind(row)
            guard !kinds.contains(where: { $0.code == kind.code }) else { throw row.fault("the code is taken") }
            guard !kinds.contains(where: { $0.kind == kind.kind }) else { throw row.fault("the kind is taken") }
            kinds.append(kind)
        }
        self.kinds = kinds
    }

    private static func kind(_ row: Place) throws(ProtoFault) -> Kind {
        let members = try row.members(required: ["code", "kind", "summary", "retryable", "when"])
        guard
            let code = members["code"], let kind = members["kind"], let summary = members["summary"],
            let retryable = members["retryable"], let when = members["when"]
        else { throw row.fault("is not complete") }
        let number = try code.integer()
        // JSON-RPC 2.0 section 5.1 reserves the rest of that range for itself.
        guard number > 0 || [-32700, -32600, -32601, -32602, -32603].contains(number) else {
            throw code.fault("must be positive, or one of JSON-RPC's own")
        }
        return Kind(
            code: number,
            kind: try kind.string(),
            summary: try summary.sentence(),
            isRetryable: try retryable.boolean(),
            when: try when.sentence()
        )
    }
}
