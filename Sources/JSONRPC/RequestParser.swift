public import Bytes
import JSON

/// Reads messages of JSON-RPC 2.0, each of its bytes once.
///
/// One parser serves a whole loop: what it hands out lies in the message itself and in the parser's own table, and is
/// good until the next message is read or the parser goes.
@safe
public final class RequestParser {
    private let arguments: UnsafeMutablePointer<Argument>
    private let depthMax: Int
    private let idBytesMax: Int

    /// Makes a parser with the bounds of `limits`.
    public init(limits: RPCLimits) {
        unsafe arguments = .allocate(capacity: Arguments.countMax)
        depthMax = limits.depthMax
        idBytesMax = limits.idBytesMax
    }

    deinit {
        unsafe arguments.deallocate()
    }

    /// Reads one message.
    ///
    /// - Parameter text: The message without its framing.
    /// - Returns: What it is; lent as `text` is, and until the next call.
    public func parse(_ text: ByteView) -> Message {
        var scanner = JSONScanner(text, depthMax: depthMax)
        scanner.skipWhiteSpace()
        do throws(JSONFault) {
            guard scanner.next == UInt8(ascii: "{") else {
                let value = try scanner.scanValue(depth: 0)
                try scanner.finish()
                if value.kind == .array { return .batch(value) }
                return .invalid(id: nil, reason: "a message must be an object, or an array of objects")
            }
            var envelope = Envelope()
            try read(&envelope, &scanner)
            try scanner.finish()
            return message(envelope)
        } catch {
            return .malformed(error)
        }
    }

    /// What the members of a message's object said.
    private struct Envelope {
        var hasVersion = false
        var method: JSONString?
        var id: ByteView?
        var hasBadID = false
        var form = Arguments.Form.absent
        var count = 0
        var isTruncated = false
        var fault: String?

        mutating func record(_ reason: String) {
            if fault == nil { fault = reason }
        }
    }

    private func message(_ envelope: Envelope) -> Message {
        let id = envelope.hasBadID ? nil : envelope.id
        if let fault = envelope.fault { return .invalid(id: id, reason: fault) }
        guard envelope.hasVersion else { return .invalid(id: id, reason: "the member jsonrpc must be \"2.0\"") }
        guard let method = envelope.method else { return .invalid(id: id, reason: "the member method is missing") }
        let view = unsafe Arguments(
            form: envelope.form,
            base: arguments,
            count: envelope.count,
            isTruncated: envelope.isTruncated
        )
        return .request(Request(method: method, id: id, arguments: view))
    }

    private func read(_ envelope: inout Envelope, _ scanner: inout JSONScanner) throws(JSONFault) {
        scanner.position += 1
        scanner.skipWhiteSpace()
        if scanner.accept(UInt8(ascii: "}")) { return }
        while true {
            let name = try scanner.scanString()
            try scanner.passColon()
            if name.equals("params") {
                try readParameters(&envelope, &scanner)
            } else {
                let value = try scanner.scanValue(depth: 1)
                read(name, value, &envelope)
            }
            if try scanner.passSeparator(end: UInt8(ascii: "}")) { return }
        }
    }

    /// Takes up one member; members that the specification does not know are ignored.
    private func read(_ name: JSONString, _ value: JSONValue, _ envelope: inout Envelope) {
        if name.equals("jsonrpc") {
            if envelope.hasVersion { envelope.record("the member jsonrpc was given twice") }
            guard value.string?.equals("2.0") == true else {
                return envelope.record("the member jsonrpc must be \"2.0\"")
            }
            envelope.hasVersion = true
        } else if name.equals("method") {
            if envelope.method != nil { envelope.record("the member method was given twice") }
            guard let method = value.string else { return envelope.record("the member method must be a string") }
            envelope.method = method
        } else if name.equals("id") {
            readID(value, &envelope)
        }
    }

    private func readID(_ value: JSONValue, _ envelope: inout Envelope) {
        if envelope.id != nil {
            envelope.hasBadID = true
            envelope.record("the member id was given twice")
        }
        envelope.id = value.text
        switch value.kind {
        case .string, .number, .null:
            guard value.text.count > idBytesMax else { return }
            envelope.hasBadID = true
            envelope.record("the member id is longer than \(idBytesMax) bytes")
        case .object, .array, .true, .false:
            envelope.hasBadID = true
            envelope.record("the member id must be a string, a number or null")
        }
    }

    private func readParameters(_ envelope: inout Envelope, _ scanner: inout JSONScanner) throws(JSONFault) {
        if envelope.form != .absent { envelope.record("the member params was given twice") }
        envelope.count = 0
        envelope.isTruncated = false
        switch scanner.next {
        case UInt8(ascii: "{"):
            envelope.form = .named
            try readMembers(&envelope, &scanner)
        case UInt8(ascii: "["):
            envelope.form = .positional
            try readElements(&envelope, &scanner)
        default:
            _ = try scanner.scanValue(depth: 1)
            envelope.record("the member params must be an object or an array")
        }
    }

    private func readMembers(_ envelope: inout Envelope, _ scanner: inout JSONScanner) throws(JSONFault) {
        try enter(&scanner)
        if scanner.accept(UInt8(ascii: "}")) { return }
        while true {
            let name = try scanner.scanString()
            try scanner.passColon()
            let value = try scanner.scanValue(depth: 2)
            keep(Argument(name: name, value: value), &envelope)
            if try scanner.passSeparator(end: UInt8(ascii: "}")) { return }
        }
    }

    private func readElements(_ envelope: inout Envelope, _ scanner: inout JSONScanner) throws(JSONFault) {
        try enter(&scanner)
        if scanner.accept(UInt8(ascii: "]")) { return }
        while true {
            let value = try scanner.scanValue(depth: 2)
            keep(Argument(name: JSONString(raw: .empty, hasEscapes: false), value: value), &envelope)
            if try scanner.passSeparator(end: UInt8(ascii: "]")) { return }
        }
    }

    private func enter(_ scanner: inout JSONScanner) throws(JSONFault) {
        guard depthMax >= 2 else { throw JSONFault(.tooDeep, at: scanner.position) }
        scanner.position += 1
        scanner.skipWhiteSpace()
    }

    private func keep(_ argument: Argument, _ envelope: inout Envelope) {
        guard envelope.count < Arguments.countMax else {
            envelope.isTruncated = true
            return
        }
        unsafe (arguments + envelope.count).initialize(to: argument)
        envelope.count += 1
    }
}
