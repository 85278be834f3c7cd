import RPCClient

/// Lays JSON text out for people, without touching its tokens.
enum JSONLayout {
    /// `value` over several lines, two spaces a level; numbers, strings and the order of members stay as written.
    ///
    /// - Complexity: O(n).
    static func indented(_ value: JSONFragment) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(value.bytes.count * 2)
        var depth = 0
        var isInString = false
        var isEscaped = false
        var isEmpty = false
        for byte in value.bytes {
            if isInString {
                output.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D:
                continue
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if !isEmpty { breakLine(depth, &output) }
                isEmpty = false
                output.append(byte)
                continue
            default:
                if isEmpty { breakLine(depth, &output) }
                isEmpty = false
            }
            output.append(byte)
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: ":"): output.append(0x20)
            case UInt8(ascii: ","): breakLine(depth, &output)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                isEmpty = true
            default: break
            }
        }
        return output
    }

    private static func breakLine(_ depth: Int, _ output: inout [UInt8]) {
        output.append(0x0A)
        output += repeatElement(0x20, count: depth * 2)
    }
}
