import Bytes

/// What one reply says, as far as a load wants to know.
enum Reply {
    /// Done; for a read of one entry, it was there.
    case done
    /// The entry was there and came from the agent's memory.
    case doneFromMemory
    /// The entry was not there.
    case missed
    /// The server refused.
    case refused
}

/// Finds replies in what a connection received.
enum ReplyFormat {
    /// What every reply of an agent begins with, before its id.
    private static let beginning: StaticString = #"{"jsonrpc":"2.0","id":"#
    private static let idDigits = 4

    /// The slot that a line answers, or nil where it is not a reply to a call of a load.
    static func slot(ofLine line: ByteView) -> Int? {
        let start = beginning.utf8CodeUnitCount
        guard line.count > start + idDigits + 12, line.hasPrefix(beginning) else { return nil }
        var id = 0
        for index in start..<start + idDigits {
            let digit = line[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            id = id * 10 + Int(digit)
        }
        return id - RequestTemplate.idBase
    }

    /// Judges a line that ``slot(ofLine:)`` accepted.
    static func judge(line: ByteView, _ operation: Workload.Operation) -> Reply {
        let rest = beginning.utf8CodeUnitCount + idDigits
        // …,"result":{"hit":true or …,"error":
        guard line[rest + 2] == UInt8(ascii: "r") else { return .refused }
        let answer = rest + 17
        guard operation == .get, line.count > answer else { return .done }
        guard line[answer] == UInt8(ascii: "t") else { return .missed }
        // …"source":"near"}}
        return line[line.count - 7] == UInt8(ascii: "n") ? .doneFromMemory : .done
    }

    /// Judges a reply of Valkey's protocol.
    static func judge(command view: ByteView, from start: Int, _ operation: Workload.Operation) -> Reply {
        switch view[start] {
        case UInt8(ascii: "-"): .refused
        case UInt8(ascii: "$") where operation == .get && view[start + 1] == UInt8(ascii: "-"): .missed
        default: .done
        }
    }

    /// Where the reply of Valkey's protocol that begins at `start` ends, or nil where it is not complete.
    static func end(ofCommand view: ByteView, from start: Int) -> Int? {
        var index = start
        var pending = 1
        while pending > 0 {
            guard index < view.count, let lineEnd = view.firstIndex(of: UInt8(ascii: "\n"), from: index) else {
                return nil
            }
            let kind = view[index]
            if kind == UInt8(ascii: "$") || kind == UInt8(ascii: "*") {
                let length = number(view, index + 1)
                index = lineEnd + 1
                if length > 0 || kind == UInt8(ascii: "$") && length == 0 {
                    if kind == UInt8(ascii: "$") { index += length + 2 } else { pending += length }
                }
            } else {
                index = lineEnd + 1
            }
            guard index <= view.count else { return nil }
            pending -= 1
        }
        return index
    }

    /// The number that begins at `start`; -1 where it is negative.
    private static func number(_ view: ByteView, _ start: Int) -> Int {
        var index = start
        var value = 0
        while index < view.count {
            let digit = view[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return index == start ? -1 : value }
            value = value &* 10 &+ Int(digit)
            index += 1
        }
        return value
    }
}
