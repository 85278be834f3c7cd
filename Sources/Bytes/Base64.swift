/// Base64 with padding (RFC 4648 section 4).
public enum Base64 {
    /// Appends the encoding of `view` to `buffer`.
    public static func encode(_ view: ByteView, to buffer: inout ByteBuffer) {
        let alphabet = ByteView("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        buffer.reserve((view.count + 2) / 3 * 4)
        var index = 0
        while index < view.count {
            let held = min(3, view.count - index)
            var group = UInt32(view[index]) << 16
            if held > 1 { group |= UInt32(view[index + 1]) << 8 }
            if held > 2 { group |= UInt32(view[index + 2]) }
            buffer.append(alphabet[Int(group >> 18)])
            buffer.append(alphabet[Int(group >> 12 & 63)])
            buffer.append(held > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "="))
            buffer.append(held > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "="))
            index += 3
        }
    }

    /// Appends what `view` encodes to `buffer`.
    ///
    /// - Returns: Whether `view` is Base64: a multiple of four digits, padded at the end only, with no bit lost.
    public static func decode(_ view: ByteView, to buffer: inout ByteBuffer) -> Bool {
        guard view.count % 4 == 0 else { return false }
        let start = buffer.count
        var index = 0
        while index < view.count {
            let isLast = index + 4 == view.count
            let padding = isLast ? paddingLength(view) : 0
            var group: UInt32 = 0
            for offset in 0..<4 {
                var digit: UInt32 = 0
                if offset < 4 - padding {
                    guard let value = value(of: view[index + offset]) else {
                        buffer.truncate(to: start)
                        return false
                    }
                    digit = value
                }
                group = group << 6 | digit
            }
            let lost: UInt32 = padding == 2 ? 0xffff : padding == 1 ? 0xff : 0
            guard group & lost == 0 else {
                buffer.truncate(to: start)
                return false
            }
            buffer.append(UInt8(group >> 16 & 0xff))
            if padding < 2 { buffer.append(UInt8(group >> 8 & 0xff)) }
            if padding < 1 { buffer.append(UInt8(group & 0xff)) }
            index += 4
        }
        return true
    }

    private static func paddingLength(_ view: ByteView) -> Int {
        guard view[view.count - 1] == UInt8(ascii: "=") else { return 0 }
        return view[view.count - 2] == UInt8(ascii: "=") ? 2 : 1
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
