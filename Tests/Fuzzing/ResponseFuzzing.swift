import Bytes
import JSON

/// The canonical form of any JSON is JSON, and its own canonical form; an entry in the place of a response is one or not.
enum ResponseFuzzing {
    static func run(_ input: ByteView) {
        checkForm(input)
        checkEntry(input)
    }

    private static func checkForm(_ input: ByteView) {
        guard let value = try? JSONScanner.scan(input, depthMax: 64) else { return }
        var form = ByteBuffer()
        guard (try? CanonicalJSON.append(value, to: &form)) != nil else { return }
        guard let again = try? JSONScanner.scan(form.view, depthMax: 64) else { fatalError("the form is no JSON") }
        precondition(again.kind == value.kind, "the form is another kind of value")
        var second = ByteBuffer()
        guard (try? CanonicalJSON.append(again, to: &second)) != nil else { fatalError("the form has no form") }
        precondition(second.view.equals(form.view), "the form has another form")
        // White space between tokens says nothing.
        var line = ByteBuffer()
        line.append(" \t")
        line.append(jsonText: value.text)
        line.append("\r\n")
        guard let spaced = try? JSONScanner.scan(line.view, depthMax: 64) else { fatalError("one line is refused") }
        var third = ByteBuffer()
        guard (try? CanonicalJSON.append(spaced, to: &third)) != nil else { fatalError("one line has no form") }
        precondition(third.view.equals(form.view), "one line has another form")
    }

    private static func checkEntry(_ input: ByteView) {
        let bytes = input.copy()
        precondition(StoredResponse.id(of: bytes).count <= StoredResponse.wordCount, "an id is too long")
        guard let entry = StoredResponse(bytes, depthMax: 64) else { return }
        switch entry.body {
        case .whole(let bounds): check(bytes, bounds)
        case .stream(let bounds, let chunks):
            check(bytes, bounds)
            precondition(!chunks.isEmpty, "a stream of nothing")
            for chunk in chunks {
                check(bytes, chunk.bounds)
                precondition(chunk.delayMilliseconds >= 0, "a negative gap")
            }
            // Adding them up is what a replay begins with.
            precondition(chunks.reduce(0) { $0 + $1.delayMilliseconds } >= 0, "gaps that are no time together")
        }
        if let usage = entry.usage { check(bytes, usage) }
        precondition(entry.cost >= 0 && entry.tokens >= 0, "less than nothing was saved")
    }

    /// What stands in these bounds is a value.
    private static func check(_ bytes: [UInt8], _ bounds: Range<Int>) {
        let isValue = Array(bytes[bounds]).withByteView { (try? JSONScanner.scan($0, depthMax: 64)) != nil }
        precondition(isValue, "what was found is no value")
    }
}
