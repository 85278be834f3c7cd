import Bytes
import JSON

/// Holds the scanner against jansson.
enum JanssonComparison {
    /// How the two differ on `text` beyond what ``JanssonDifference`` lists, or nil.
    ///
    /// Where both accept it, they must also mean the same by it, and what jansson writes must be read back alike.
    static func fault(_ text: ByteView) -> String? {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONScanner.scan(text, depthMax: Document.depthMax)
        } catch {
            return (try? Document.parse(text)) == nil ? nil : "only jansson accepts it: \(error)"
        }
        let differences = JanssonDifference.all(in: value)
        let document: Document
        do throws(DocumentError) {
            document = try Document.parse(text)
        } catch {
            return differences.isEmpty ? "only the scanner accepts it; jansson: \(error)" : nil
        }
        guard differences.isEmpty else { return "jansson accepts what is listed as refused: \(differences)" }
        guard let scanned = tree(value) else { return "a value has no document" }
        guard scanned == document else { return "jansson means something else by it" }
        return rereadingFault(document)
    }

    private static func rereadingFault(_ document: Document) -> String? {
        for style in [Document.Style.compact, .indented] {
            let fault: String? = document.text(style: style).withByteView { text in
                guard let value = try? JSONScanner.scan(text, depthMax: Document.depthMax) else {
                    return "the scanner refuses what jansson wrote"
                }
                return tree(value) == document ? nil : "what jansson wrote means something else"
            }
            if let fault { return fault }
        }
        return nil
    }

    /// The document that a scanned value stands for, built without jansson.
    private static func tree(_ value: JSONValue) -> Document? {
        switch value.kind {
        case .null: .null
        case .true: .boolean(true)
        case .false: .boolean(false)
        case .number: value.integer.map(Document.integer) ?? Double(value.text.text()).map(Document.real)
        case .string: text(value.string).map(Document.string)
        case .array: array(value.elements())
        case .object: object(value.members())
        }
    }

    private static func text(_ string: JSONString?) -> String? {
        JanssonDifference.bytes(string).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func array(_ elements: JSONElements) -> Document? {
        var elements = elements
        var documents: [Document] = []
        while let element = elements.next() {
            guard let document = tree(element) else { return nil }
            documents.append(document)
        }
        return .array(documents)
    }

    private static func object(_ members: JSONMembers) -> Document? {
        var members = members
        var object = DocumentObject()
        while let (name, value) = members.next() {
            guard let name = text(name), let document = tree(value) else { return nil }
            object[name] = document
        }
        return .object(object)
    }
}
