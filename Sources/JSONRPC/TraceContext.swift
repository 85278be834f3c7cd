public import Bytes

/// Where a call belongs in its caller's trace, as W3C Trace Context (Level 1) has it in `traceparent`.
///
/// It is carried along, and decides nothing: any caller may claim any trace.
public struct TraceContext: Equatable, Sendable {
    /// The first half of the trace's id.
    public let high: UInt64
    /// The second half of the trace's id.
    public let low: UInt64
    /// The caller's span.
    public let span: UInt64
    /// Flags; bit 0 says that the caller records the trace.
    public let flags: UInt8

    /// Reads `00-<32 digits>-<16 digits>-<2 digits>`, hexadecimal in lower case.
    ///
    /// - Returns: nil for what the specification has everybody ignore: another form, version `ff`, and ids of zeros.
    public init?(_ text: ByteView) {
        guard text.count == 55, text[2] == Self.dash, text[35] == Self.dash, text[52] == Self.dash,
            let version = Hexadecimal.number(of: text[0..<2]), version != 0xff,
            let high = Hexadecimal.number(of: text[3..<19]), let low = Hexadecimal.number(of: text[19..<35]),
            high | low != 0,
            let span = Hexadecimal.number(of: text[36..<52]), span != 0,
            let flags = Hexadecimal.number(of: text[53..<55])
        else { return nil }
        self.high = high
        self.low = low
        self.span = span
        self.flags = UInt8(truncatingIfNeeded: flags)
    }

    /// The trace's id: 32 hexadecimal digits.
    public var traceID: String { Hexadecimal.text(of: high) + Hexadecimal.text(of: low) }

    /// The id of the caller's span: 16 hexadecimal digits.
    public var spanID: String { Hexadecimal.text(of: span) }

    private static let dash = UInt8(ascii: "-")
}
