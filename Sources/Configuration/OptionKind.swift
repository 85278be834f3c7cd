import JSON

/// What values an option takes: how one is read, checked, shown, and described to people and programs.
struct OptionKind<Value: Sendable>: Sendable {
    /// What a value must be, as it goes behind "must be", such as `an integer from 2 to 512`.
    let expectation: String
    /// The same as JSON Schema (draft-07).
    let schema: DocumentObject
    /// Whether a variable or flag holds a text; else it holds a number or `null`, as JSON has them.
    let isText: Bool
    /// How a variable gives a list, as it goes behind "is given"; nil where a value is none.
    let listForm: String?
    /// Reads a value from the file.
    let decode: @Sendable (Document) throws(Refusal) -> Value
    /// Shows a value, without what is secret in it.
    let encode: @Sendable (Value) -> Document

    /// A kind of values; see the members.
    init(
        expectation: String,
        schema: DocumentObject,
        isText: Bool = true,
        listForm: String? = nil,
        decode: @escaping @Sendable (Document) throws(Refusal) -> Value,
        encode: @escaping @Sendable (Value) -> Document
    ) {
        self.expectation = expectation
        self.schema = schema
        self.isText = isText
        self.listForm = listForm
        self.decode = decode
        self.encode = encode
    }

    /// The same values, kept as another type.
    func converted<Other: Sendable>(
        to other: @escaping @Sendable (Value) throws(Refusal) -> Other,
        from original: @escaping @Sendable (Other) -> Value
    ) -> OptionKind<Other> {
        OptionKind<Other>(
            expectation: expectation,
            schema: schema,
            isText: isText,
            listForm: listForm,
            decode: { [decode] (document) throws(Refusal) in try other(try decode(document)) },
            encode: { [encode] value in encode(original(value)) }
        )
    }

    /// The same values, or none where the agent decides.
    var optional: OptionKind<Value?> {
        OptionKind<Value?>(
            expectation: expectation,
            schema: schema,
            isText: isText,
            listForm: listForm,
            decode: { [decode] (document) throws(Refusal) in try decode(document) },
            encode: { [encode] value in value.map(encode) ?? .null }
        )
    }
}

extension OptionKind where Value == Int64 {
    /// An integer in a range.
    static func integer(_ range: ClosedRange<Int64>) -> OptionKind {
        OptionKind(
            expectation: "an integer from \(range.lowerBound) to \(range.upperBound)",
            schema: DocumentObject([
                ("type", "integer"), ("minimum", .integer(range.lowerBound)), ("maximum", .integer(range.upperBound)),
            ]),
            isText: false,
            decode: { (document) throws(Refusal) in
                guard let number = document.integer, range.contains(number) else { throw Refusal() }
                return number
            },
            encode: { .integer($0) }
        )
    }
}

extension OptionKind where Value == Int {
    /// A count or a size in a range.
    static func count(_ range: ClosedRange<Int64>) -> OptionKind {
        OptionKind<Int64>.integer(range).converted(to: { (number) in Int(number) }, from: { Int64($0) })
    }
}

extension OptionKind where Value == Bool {
    /// A truth value; in a variable, `true` or `false`.
    static var boolean: OptionKind {
        OptionKind(
            expectation: "true or false",
            schema: DocumentObject([("type", "boolean")]),
            decode: { (document) throws(Refusal) in
                if let truth = document.boolean { return truth }
                switch document.string {
                case "true": return true
                case "false": return false
                default: throw Refusal()
                }
            },
            encode: { .boolean($0) }
        )
    }
}

extension OptionKind where Value == Duration {
    /// A number of milliseconds in a range.
    static func milliseconds(_ range: ClosedRange<Int64>) -> OptionKind {
        OptionKind<Int64>.integer(range).converted(to: { (number) in .milliseconds(number) }, from: \.milliseconds)
    }
}

extension OptionKind where Value == Duration? {
    /// Longest life of an entry in seconds: 100 years, as for the calls that name one.
    static var lifeSecondsMax: Int64 { 3_153_600_000 }

    /// The life of an entry in milliseconds, or null for no end.
    static var life: OptionKind {
        let range = 1...lifeSecondsMax * 1000
        let number = OptionKind<Int64>.integer(range)
        var schema = number.schema
        schema["type"] = ["integer", "null"]
        return OptionKind(
            expectation: "\(number.expectation), or null for no end",
            schema: schema,
            isText: false,
            decode: { (document) throws(Refusal) in
                document.isNull ? nil : .milliseconds(try number.decode(document))
            },
            encode: { $0.map { .integer($0.milliseconds) } ?? .null }
        )
    }
}

extension DocumentObject {
    /// Members in the order of `pairs`.
    init(_ pairs: [(String, Document)]) {
        self.init()
        for (name, value) in pairs { self[name] = value }
    }
}
