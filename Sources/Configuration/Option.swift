public import JSON

/// One thing that can be configured: a row of the table from which reading, printing, schema and reference come.
public struct Option: Sendable {
    /// Name with a dot between the levels of the file, such as `limits.depth_max`.
    public let name: String
    /// What it means, for the reference, the schema and the usage: sentences.
    public let summary: String
    /// What a value must be, as it goes behind "must be".
    public let expectation: String
    /// The environment variables that set it, strongest first; the first is made of its name.
    public let variables: [Variable]
    /// The flag that sets it.
    public let flag: Flag?
    /// How a variable gives a list, as it goes behind "is given"; nil where the option takes none.
    public let listForm: String?
    /// What holds without a value, in words, where that depends on the host or on another option.
    public let defaultRule: String?
    /// Whether `null` in the file says the same as no value; else it is a value like others, if it is one at all.
    let isNullAbsent: Bool
    /// Whether a variable or a flag holds a text; else it holds a number or `null`.
    let isText: Bool
    private let kindSchema: DocumentObject
    private let read: @Sendable (Configuration) -> Document
    private let write: @Sendable (inout Configuration, Document) throws(Refusal) -> Void

    /// An option that is kept in a member of the configuration, whose default is that of the member.
    init<Value>(
        _ name: String,
        _ member: any WritableKeyPath<Configuration, Value> & Sendable,
        _ kind: OptionKind<Value>,
        flag: Flag? = nil,
        variables: [Variable] = [],
        defaultRule: String? = nil,
        isNullAbsent: Bool? = nil,
        _ summary: String
    ) {
        self.name = name
        self.summary = summary
        self.flag = flag
        self.variables = [.own(of: name)] + variables
        self.defaultRule = defaultRule
        self.isNullAbsent = isNullAbsent ?? (defaultRule != nil)
        expectation = kind.expectation
        listForm = kind.listForm
        isText = kind.isText
        kindSchema = kind.schema
        read = { configuration in kind.encode(configuration[keyPath: member]) }
        write = { (configuration, document) throws(Refusal) in
            configuration[keyPath: member] = try kind.decode(document)
        }
    }

    /// The value in `configuration`, without what is secret in it.
    func value(in configuration: Configuration) -> Document {
        read(configuration)
    }

    /// Puts a value into `configuration`.
    func set(_ value: Document, in configuration: inout Configuration) throws(Refusal) {
        try write(&configuration, value)
    }

    /// The value in the file that says the same as no value; `null` where the default depends on the host.
    public var defaultValue: Document {
        defaultRule == nil ? read(Configuration.standard) : .null
    }

    /// What the file may hold for it, as JSON Schema (draft-07).
    public var schema: Document {
        var schema = DocumentObject()
        schema["description"] = .string(summary + (defaultRule.map { " By default \($0)." } ?? ""))
        for member in kindSchema { schema[member.name] = member.value }
        if isNullAbsent, let type = schema["type"] { schema["type"] = [type, "null"] }
        if isNullAbsent, let choices = schema["enum"]?.array { schema["enum"] = .array(choices + [.null]) }
        schema["default"] = defaultValue
        return .object(schema)
    }
}

extension Option {
    /// What the text of a variable or flag stands for.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - isInSeconds: Whether it is in seconds, where the option is in milliseconds.
    /// - Returns: What the file would hold.
    /// - Throws: ``Refusal`` where the option takes a number and the text is none.
    func value(of text: String, isInSeconds: Bool = false) throws(Refusal) -> Document {
        if isText { return .string(text) }
        if text == "null" { return .null }
        guard let number = Int64(text) else { throw Refusal() }
        guard isInSeconds else { return .integer(number) }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: 1000)
        if overflow { throw Refusal() }
        return .integer(milliseconds)
    }
}
