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
        /// The first fault, if there was one.
        var fault = Fault.none

        mutating func record(_ reason: Fault) {
            if fault == .none { fault = reason }
        }
    }

    /// What may be wrong with the members of a message: a number, so that a message without fault costs no string.
    private enum Fault {
        case none
        case version, versionTwice
        case method, methodTwice
        case id, idTwice, idLength
        case params, paramsTwice
    }

    private func words(for fault: Fault) -> String {
        switch fault {
        case .none: ""
        case .version: "the member jsonrpc must be \"2.0\""
        case .versionTwice: "the member jsonrpc was given twice"
        case .method: "the member method must be a string"
        case .methodTwice: "the member method was given twice"
        case .id: "the member id must be a string, a number or null"
        case .idTwice: "the member id was given twice"
        case .idLength: "the member id is longer than \(idBytesMax) bytes"
        case .params: "the member params must be an object or an array"
        case .paramsTwice: "the member params was given twice"
        }
    }

    private func message(_ envelope: Envelope) -> Message {
        let id = envelope.hasBadID ? nil : envelope.id
        guard envelope.fault == .none else { return .invalid(id: id, reason: words(for: envelope.fault)) }
        guard envelope.hasVersion else { return .invalid(id: id, reason: words(for: .version)) }
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
            // The four names as everybody writes them are told by comparing words; others are scanned.
            if scanner.accept("\"params\"") {
                try scanner.passColon()
                try readParameters(&envelope, &scanner)
            } else if scanner.accept("\"method\"") {
                try scanner.passColon()
                readMethod(try scanner.scanValue(depth: 1), &envelope)
            } else if scanner.accept("\"id\"") {
                try scanner.passColon()
                readID(try scanner.scanValue(depth: 1), &envelope)
            } else if scanner.accept("\"jsonrpc\"") {
                try scanner.passColon()
                readVersion(try scanner.scanValue(depth: 1), &envelope)
            } else {
                try readMember(&envelope, &scanner)
            }
            if try scanner.passSeparator(end: UInt8(ascii: "}")) { return }
        }
    }

    /// Takes up a member whose name has escapes, or which the specification does not know and which is ignored.
    @inline(never)
    private func readMember(_ envelope: inout Envelope, _ scanner: inout JSONScanner) throws(JSONFault) {
        let name = try scanner.scanString()
        try scanner.passColon()
        if name.equals("params") { return try readParameters(&envelope, &scanner) }
        let value = try scanner.scanValue(depth: 1)
        if name.equals("jsonrpc") {
            readVersion(value, &envelope)
        } else if name.equals("method") {
            readMethod(value, &envelope)
        } else if name.equals("id") {
            readID(value, &envelope)
        }
    }

    private func readVersion(_ value: JSONValue, _ envelope: inout Envelope) {
        if envelope.hasVersion { envelope.record(.versionTwice) }
        guard value.string?.equals("2.0") == true else { return envelope.record(.version) }
        envelope.hasVersion = true
    }

    private func readMethod(_ value: JSONValue, _ envelope: inout Envelope) {
        if envelope.method != nil { envelope.record(.methodTwice) }
        guard let method = value.string else { return envelope.record(.method) }
        envelope.method = method
    }

    private func readID(_ value: JSONValue, _ envelope: inout Envelope) {
        if envelope.id != nil {
            envelope.hasBadID = true
            envelope.record(.idTwice)
        }
        envelope.id = value.text
        switch value.kind {
        case .string, .number, .null:
            guard value.text.count > idBytesMax else { return }
            envelope.hasBadID = true
            envelope.record(.idLength)
        case .object, .array, .true, .false:
            envelope.hasBadID = true
            envelope.record(.id)
        }
    }

    private func readParameters(_ envelope: inout Envelope, _ scanner: inout JSONScanner) throws(JSONFault) {
        if envelope.form != .absent { envelope.record(.paramsTwice) }
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
            envelope.record(.params)
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
