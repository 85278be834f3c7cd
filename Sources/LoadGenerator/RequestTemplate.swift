import Bytes
import Glibc

/// A request with gaps for its id and its keys, which are written into a copy of it.
///
/// A load must cost less than what it measures: to make a request is to copy some bytes and store a few words.
struct RequestTemplate {
    /// Added to the number of a call's slot, so that every id has four digits and no leading zero.
    static let idBase = 1000
    private static let keyDigits = 8

    /// The numbers 0000 to 9999 as text, four bytes each.
    private static let digits: [UInt32] = (0..<10_000).map { number in
        var word: UInt32 = 0
        for divisor in [1, 10, 100, 1000] { word = word << 8 | UInt32(48 + number / divisor % 10) }
        return UInt32(littleEndian: word)
    }

    private var bytes: [UInt8] = []
    private var idOffset: Int?
    private var keyOffsets: [Int] = []

    /// Appends the request to `output`.
    ///
    /// - Parameters:
    ///   - output: What is sent next.
    ///   - slot: Number of the call's slot, 0 ..< 9000.
    ///   - keys: Where its keys are taken from.
    func append(to output: inout ByteBuffer, slot: Int, keys: inout KeySequence) {
        let id = Self.digits[Self.idBase + slot]
        _ = unsafe output.withSpareCapacity(bytes.count) { target, _ in
            unsafe bytes.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { unsafe _ = memcpy(target, base, source.count) }
            }
            let raw = UnsafeMutableRawPointer(target)
            if let idOffset { unsafe raw.storeBytes(of: id, toByteOffset: idOffset, as: UInt32.self) }
            for offset in keyOffsets {
                let (high, low) = keys.next().quotientAndRemainder(dividingBy: 10_000)
                unsafe raw.storeBytes(of: Self.digits[high], toByteOffset: offset, as: UInt32.self)
                unsafe raw.storeBytes(of: Self.digits[low], toByteOffset: offset + 4, as: UInt32.self)
            }
            return bytes.count
        }
    }

    /// The request of an operation.
    ///
    /// - Parameters:
    ///   - operation: What is asked.
    ///   - workload: Tells the names of keys, the value and its life.
    ///   - language: What the server speaks.
    init(_ operation: Workload.Operation, _ workload: Workload, _ language: LoadTarget.Language) {
        switch language {
        case .calls, .lines: addCall(operation, workload)
        case .commands: addCommand(operation, workload)
        }
    }

    /// A `cache.get` that asks for the lease to compute a missing entry, and waits as long for another one's.
    init(leasing milliseconds: Int, _ workload: Workload) {
        self.init(.get, workload, .calls)
        bytes.removeLast(3)
        add(#","lease_ms":\#(milliseconds),"wait_ms":\#(milliseconds),"_meta":{"deadline_ms":\#(milliseconds * 2)}}}"#)
        add("\n")
    }

    private mutating func add(_ text: String) { bytes += text.utf8 }

    private mutating func addKey(_ prefix: String) {
        add(prefix)
        keyOffsets.append(bytes.count)
        bytes += [UInt8](repeating: UInt8(ascii: "0"), count: Self.keyDigits)
    }

    private mutating func addCall(_ operation: Workload.Operation, _ workload: Workload) {
        let method = operation == .ping ? "agent.ping" : "cache.\(operation.rawValue)"
        add(#"{"jsonrpc":"2.0","id":"#)
        idOffset = bytes.count
        add(#"0000,"method":"\#(method)","params":{"#)
        switch operation {
        case .ping: break
        case .getMany:
            add(#""keys":["#)
            for index in 0..<workload.manyKeys {
                add(index == 0 ? "\"" : ",\"")
                addKey(workload.keyPrefix)
                add("\"")
            }
            add("]")
        case .increment:
            addQuotedKey(workload.counterPrefix)
        case .get, .set, .delete:
            addQuotedKey(workload.keyPrefix)
        }
        if operation == .set { add(#","value":\#(workload.value),"ttl_ms":\#(workload.lifeMilliseconds)"#) }
        if workload.isFresh, operation == .get || operation == .getMany { add(#","fresh":true"#) }
        add("}}\n")
    }

    private mutating func addQuotedKey(_ prefix: String) {
        add(#""key":""#)
        addKey(prefix)
        add("\"")
    }

    private mutating func addCommand(_ operation: Workload.Operation, _ workload: Workload) {
        switch operation {
        case .ping: addWords(["PING"])
        case .get: addWords(["GET", nil], workload.keyPrefix)
        case .set: addWords(["SET", nil, workload.value, "PX", "\(workload.lifeMilliseconds)"], workload.keyPrefix)
        case .getMany:
            addWords(["MGET"] + [String?](repeating: nil, count: workload.manyKeys), workload.keyPrefix)
        case .increment: addWords(["INCR", nil], workload.counterPrefix)
        case .delete: addWords(["DEL", nil], workload.keyPrefix)
        }
    }

    /// A command of these words, where nil stands for a key.
    private mutating func addWords(_ words: [String?], _ keyPrefix: String = "") {
        add("*\(words.count)\r\n")
        for word in words {
            add("$\(word?.utf8.count ?? keyPrefix.utf8.count + Self.keyDigits)\r\n")
            if let word { add(word) } else { addKey(keyPrefix) }
            add("\r\n")
        }
    }
}

extension Workload {
    /// What the names of counters begin with, which must not be those of entries.
    var counterPrefix: String { keyPrefix + "n:" }

    /// The value: a JSON string of ``valueBytes`` bytes with its quotes.
    var value: String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        var numbers = KeySequence(count: letters.count, distribution: .uniform, seed: seed &+ 17)
        return "\"" + String((0..<max(0, valueBytes - 2)).map { _ in letters[numbers.next()] }) + "\""
    }
}
