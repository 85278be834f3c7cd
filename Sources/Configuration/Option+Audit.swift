import JSON

extension Option {
    /// What is recorded of who did what.
    static let audit: [Option] = [
        Option(
            "audit.file",
            \.audit.file,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule: "none: denied calls are in the log alone",
            "The audit file, one JSON object a line, each chained to the one before. Opened again on SIGHUP, for a log that "
                + "is rotated."
        ),
        Option(
            "audit.key_file",
            \.audit.keyFile,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule:
                "`audit-key` in the unit's `$CREDENTIALS_DIRECTORY`, else `audit.key` in the state directory, which "
                + "is made where it is missing",
            "The key that a new chain begins with, 64 hexadecimal digits. It is needed to verify, and not to go on: keep "
                + "it on another host, and remove it from this one."
        ),
        Option(
            "audit.classes",
            \.audit.classes,
            .words(Configuration.Audit.classesKnown),
            "Which calls are recorded, denied ones always: `denials` alone, `sessions`, `operators` for the methods of "
                + "operators, `policy` for another policy or configuration, `cache` with hashes and stored responses, "
                + "`channels` with topics, `locks` with semaphores and elections, or `all`."
        ),
        Option(
            "audit.when_full",
            \.audit.whenFull,
            .choice(["count", "refuse"]),
            "What happens while the file cannot be written and no more records can wait: they are counted and the count is "
                + "recorded, or calls that must be recorded are refused."
        ),
    ]
}

extension OptionKind where Value == [String] {
    /// Some of a few words, none twice: an array in the file, separated by commas in a variable.
    static func words(_ known: [String]) -> OptionKind {
        let list = known.map { "\"\($0)\"" }.joined(separator: ", ")
        return OptionKind(
            expectation: "an array of some of \(list), none twice",
            schema: DocumentObject([
                ("type", "array"), ("uniqueItems", true),
                ("items", ["type": "string", "enum": .array(known.map { .string($0) })]),
            ]),
            listForm: "with commas between its words",
            decode: { (document) throws(Refusal) in
                // A variable gives a text.
                let listed = document.string.map { text in
                    Document.array(text.split(separator: ",").map { .string(String($0)) })
                }
                guard let elements = (listed ?? document).array else { throw Refusal() }
                let words = elements.compactMap(\.string)
                guard words.count == elements.count, Set(words).count == words.count, Set(words).isSubset(of: known)
                else { throw Refusal() }
                return words
            },
            encode: { .array($0.map { .string($0) }) }
        )
    }
}
