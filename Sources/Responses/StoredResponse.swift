import Bytes
import JSON

/// A response as it lies in Valkey: one JSON object, which any Redis client can read.
///
/// `{"id":"…","generations":"…","tags":[["name","generation"]],"cost":1.5,"usage":{…},"response":…}`, or `"chunks":[…]`
/// in the place of `response`. Scripts know where `id` (16 characters) and `generations` (32, those of scope and model)
/// stand, so both come first and have no other length. docs/reference/stored-responses.md describes it.
struct StoredResponse: Sendable {
    /// Length of an id and of one generation, in characters.
    static let wordCount = 16
    /// Where the id stands: behind `{"id":"`.
    static let idBounds = 7..<23

    /// One chunk of a recorded stream.
    struct Chunk: Sendable, Equatable {
        /// Longest time between two chunks, in milliseconds, as `response.put` bounds it.
        static let delayMillisecondsMax: Int64 = 3_600_000

        /// Where its JSON stands.
        let bounds: Range<Int>
        /// Time since the chunk before, in milliseconds; at most ``delayMillisecondsMax``.
        let delayMilliseconds: Int64
    }

    /// Most chunks of a stream, as `response.put` bounds them: all their times together fit a number.
    static let chunksMax = 100_000

    /// What was stored.
    enum Body: Sendable {
        /// A response that came as a whole; where its JSON stands.
        case whole(Range<Int>)
        /// A recorded stream: where the array stands, and each chunk.
        case stream(Range<Int>, [Chunk])
    }

    /// The entry.
    let bytes: [UInt8]
    /// The generations of scope and model that it was stored under.
    let generations: [UInt8]
    /// Its tags, each with its generation.
    let tags: [(name: [UInt8], generation: [UInt8])]
    /// What the response cost, in billionths.
    let cost: Int64
    /// How many tokens it used.
    let tokens: Int64
    /// Where the usage stands, if there is one.
    let usage: Range<Int>?
    /// What was stored.
    let body: Body

    /// What tells this write of the entry from every other, for the script that may replace it.
    static func id(of bytes: [UInt8]) -> [UInt8] {
        Array(bytes[min(idBounds.lowerBound, bytes.count)..<min(idBounds.upperBound, bytes.count)])
    }

    /// Reads an entry; nil where it is none, whoever wrote it.
    init?(_ bytes: [UInt8], depthMax: Int) {
        guard let parts = bytes.withByteView({ EntryParts($0, depthMax: depthMax) }), let body = parts.body,
            parts.generations.count == 2 * Self.wordCount
        else { return nil }
        self.bytes = bytes
        generations = parts.generations
        tags = parts.tags
        cost = parts.cost
        tokens = parts.tokens
        usage = parts.usage
        self.body = body
    }

    /// What an entry is made of, lent for the length of a call.
    struct Content {
        /// Names of the tags.
        let tags: [[UInt8]]
        /// The cost as written.
        let cost: ByteView?
        /// The usage as written.
        let usage: ByteView?
        /// `response` or `chunks`.
        let name: StaticString
        /// The response or the chunks as written.
        let body: ByteView
    }

    /// An entry whose generations are not known yet.
    struct Draft: Sendable {
        private var bytes: [UInt8]
        /// Where each generation belongs: of the scope, of the model, of each tag.
        private let places: [Int]

        /// Writes an entry down.
        init(_ content: Content, id: [UInt8]) {
            precondition(id.count == wordCount, "scripts count on it")
            var buffer = ByteBuffer()
            buffer.reserve(content.body.count + (content.usage?.count ?? 0) + 256)
            var places: [Int] = []
            buffer.append("{\"id\":\"")
            buffer.append(id)
            buffer.append("\",\"generations\":\"")
            for _ in 0..<2 { Self.leavePlace(in: &buffer, &places) }
            buffer.append(UInt8(ascii: "\""))
            if !content.tags.isEmpty {
                buffer.append(",\"tags\":[")
                for (index, tag) in content.tags.enumerated() {
                    buffer.append(index == 0 ? "[" : ",[")
                    tag.withByteView { buffer.append(jsonString: $0) }
                    buffer.append(",\"")
                    Self.leavePlace(in: &buffer, &places)
                    buffer.append("\"]")
                }
                buffer.append(UInt8(ascii: "]"))
            }
            if let cost = content.cost {
                buffer.append(",\"cost\":")
                buffer.append(cost)
            }
            if let usage = content.usage {
                buffer.append(",\"usage\":")
                buffer.append(usage)
            }
            buffer.append(",\"")
            buffer.append(content.name)
            buffer.append("\":")
            buffer.append(content.body)
            buffer.append(UInt8(ascii: "}"))
            bytes = buffer.view.copy()
            self.places = places
        }

        private static func leavePlace(in buffer: inout ByteBuffer, _ places: inout [Int]) {
            places.append(buffer.count)
            for _ in 0..<wordCount { buffer.append(UInt8(ascii: "0")) }
        }

        /// The entry, stored under these generations: of the scope, of the model, of each tag.
        consuming func entry(under generations: [[UInt8]]) -> [UInt8] {
            precondition(generations.count == places.count, "each name has a generation")
            for (place, generation) in zip(places, generations) {
                precondition(generation.count == wordCount, "scripts count on it")
                bytes.replaceSubrange(place..<(place + wordCount), with: generation)
            }
            return bytes
        }
    }
}

/// The parts of an entry, found in one pass over its members.
private struct EntryParts {
    var generations: [UInt8] = []
    var tags: [(name: [UInt8], generation: [UInt8])] = []
    var cost: Int64 = 0
    var tokens: Int64 = 0
    var usage: Range<Int>?
    var body: StoredResponse.Body?

    init?(_ text: ByteView, depthMax: Int) {
        do throws(JSONFault) {
            // The whole is checked first: everything after may rely on it.
            _ = try JSONScanner.scan(text, depthMax: depthMax)
            var scanner = JSONScanner(text, depthMax: depthMax)
            scanner.skipWhiteSpace()
            try scanner.expect(UInt8(ascii: "{"))
            scanner.skipWhiteSpace()
            if scanner.accept(UInt8(ascii: "}")) { return nil }
            while true {
                let name = try scanner.scanString()
                try scanner.passColon()
                let start = scanner.position
                let value = try scanner.scanValue(depth: 1)
                guard read(name, value, at: start) else { return nil }
                if try scanner.passSeparator(end: UInt8(ascii: "}")) { return }
            }
        } catch {
            return nil
        }
    }

    /// Takes a member; false where it is not what it must be.
    private mutating func read(_ name: JSONString, _ value: JSONValue, at start: Int) -> Bool {
        let bounds = start..<(start + value.text.count)
        if name.equals("generations") {
            guard let string = value.string else { return false }
            generations = string.raw.copy()
        } else if name.equals("tags") {
            return readTags(value)
        } else if name.equals("cost") {
            guard value.kind == .number, let billionths = Cost.billionths(value.text) else { return false }
            cost = billionths
        } else if name.equals("usage") {
            guard value.kind == .object else { return false }
            usage = bounds
            tokens = TokenUsage.tokens(value)
        } else if name.equals("response") {
            body = .whole(bounds)
        } else if name.equals("chunks") {
            guard let chunks = EntryParts.chunks(value.text, at: start), !chunks.isEmpty else { return false }
            body = .stream(bounds, chunks)
        }
        return true
    }

    private mutating func readTags(_ value: JSONValue) -> Bool {
        var elements = value.elements()
        while let element = elements.next() {
            var pair = element.elements()
            guard let name = pair.next()?.string, let generation = pair.next()?.string else { return false }
            tags.append((Array(name.decoded().utf8), generation.raw.copy()))
        }
        return true
    }

    /// The chunks of an array that begins at `start` of the entry; nil where it is none of chunks.
    private static func chunks(_ text: ByteView, at start: Int) -> [StoredResponse.Chunk]? {
        var chunks: [StoredResponse.Chunk] = []
        var scanner = JSONScanner(text, depthMax: .max)
        do throws(JSONFault) {
            try scanner.expect(UInt8(ascii: "["))
            scanner.skipWhiteSpace()
            if scanner.accept(UInt8(ascii: "]")) { return [] }
            while true {
                let position = scanner.position
                let element = try scanner.scanValue(depth: 0)
                guard let chunk = try chunk(element.text, at: start + position) else { return nil }
                guard chunks.count < StoredResponse.chunksMax else { return nil }
                chunks.append(chunk)
                if try scanner.passSeparator(end: UInt8(ascii: "]")) { return chunks }
            }
        } catch {
            return nil
        }
    }

    private static func chunk(_ text: ByteView, at start: Int) throws(JSONFault) -> StoredResponse.Chunk? {
        var bounds: Range<Int>?
        var delay: Int64?
        var scanner = JSONScanner(text, depthMax: .max)
        try scanner.expect(UInt8(ascii: "{"))
        scanner.skipWhiteSpace()
        if scanner.accept(UInt8(ascii: "}")) { return nil }
        repeat {
            let name = try scanner.scanString()
            try scanner.passColon()
            let position = scanner.position
            let value = try scanner.scanValue(depth: 0)
            if name.equals("chunk") { bounds = (start + position)..<(start + position + value.text.count) }
            if name.equals("delay_ms") { delay = value.integer }
        } while try !scanner.passSeparator(end: UInt8(ascii: "}"))
        // Anybody may have written it: what `response.put` would refuse is none either.
        guard let bounds, let delay, (0...StoredResponse.Chunk.delayMillisecondsMax).contains(delay) else { return nil }
        return StoredResponse.Chunk(bounds: bounds, delayMilliseconds: delay)
    }
}
