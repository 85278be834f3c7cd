import JSON
import RPCClient
import RPCUsage

extension Parameter {
    /// Turns the text of a `name=value` word into JSON, by what the parameter takes.
    ///
    /// JSON that the user wrote is kept as it was written. A parameter that takes any JSON takes what is not JSON as a
    /// string; one that takes strings takes every text as it is, unless the text is JSON of another kind it takes.
    ///
    /// - Throws: ``CommandError`` `.usage` where the parameter takes nothing of the kind.
    func convert(_ text: [UInt8]) throws(CommandError) -> JSONFragment {
        guard let string = String(validating: text, as: UTF8.self) else {
            throw .usage("\(name): the text is not UTF-8", "Bytes travel as base64 where the method takes them.")
        }
        let json = JSONFragment(text)
        if type == .any {
            return json ?? JSONFragment(string: string)
        }
        if let json, takes(json) {
            return json
        }
        if let quantity = quantity(string) {
            return JSONFragment(integer: quantity)
        }
        if type.contains(.string) {
            return JSONFragment(string: string)
        }
        // A text that begins an array and is none is a slip, not an element.
        if takesStrings, string.first != "[", let list = JSONFragment("[\(JSONFragment(string: string).text)]") {
            return list
        }
        throw .usage("\(name): \(wanted) is wanted, not '\(excerpt(string))'", "name:=JSON sends any JSON as it is.")
    }

    /// What the parameter takes, in words with examples.
    var wanted: String {
        var words = [type.words]
        if isNumber, name.hasSuffix("_ms") { words.append("a duration like 60s or 250ms") }
        if isNumber, name.hasSuffix("_bytes") { words.append("a size like 64KiB") }
        return words.joined(separator: " or ")
    }

    private var isNumber: Bool { !type.isDisjoint(with: [.integer, .number]) }

    private func takes(_ json: JSONFragment) -> Bool {
        switch json.kind {
        case .null: type.contains(.null)
        case .true, .false: type.contains(.boolean)
        case .number: type.contains(.number) || type.contains(.integer) && isWhole(json)
        case .array: type.contains(.array)
        case .object: type.contains(.object)
        // A string with its quotes is the text of a string as it is, quotes included.
        case .string: false
        }
    }

    /// Whether a number is written without fraction and exponent, however long it is.
    private func isWhole(_ number: JSONFragment) -> Bool {
        number.bytes.allSatisfy { ![UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains($0) }
    }

    private func quantity(_ text: String) -> Int64? {
        guard isNumber else { return nil }
        if name.hasSuffix("_ms") { return Quantity.milliseconds(text) }
        if name.hasSuffix("_bytes") { return Quantity.bytes(text) }
        return nil
    }

    private func excerpt(_ text: String) -> String {
        text.count <= 40 ? text : "\(text.prefix(40))…"
    }
}
