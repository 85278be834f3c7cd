import Bytes
import Crypto
import JSON

/// What makes two requests to a model the same: everything that changes the output, and whose it is.
struct RequestIdentity: Hashable, Sendable {
    /// Length of a fingerprint in characters.
    static let fingerprintCount = 2 * SHA256.count

    /// SHA-256 of the canonical form, in lower-case hexadecimal.
    let fingerprint: [UInt8]
    /// The model.
    let model: [UInt8]
    /// The scope.
    let scope: [UInt8]

    /// The parts of a request, lent for the length of a call.
    struct Parts {
        /// The model's name.
        let model: JSONString
        /// Whose request it is.
        let scope: JSONString
        /// The prompt; exactly one of this and ``messages`` is there.
        let prompt: JSONString?
        /// The messages.
        let messages: JSONValue?
        /// What else changes the output; nothing is the same as an empty object.
        let params: JSONValue?
    }

    /// Which part of a request has no canonical form, and why.
    struct Fault: Error {
        /// The parameter's name.
        let parameter: String
        /// What is wrong.
        let reason: CanonicalFault
    }

    /// Names a request.
    ///
    /// - Parameters:
    ///   - parts: The request.
    ///   - hasher: Makes the digest.
    ///   - scratch: Memory for the canonical form.
    /// - Throws: ``Fault``.
    init(_ parts: Parts, _ hasher: SHA256, _ scratch: inout ByteBuffer) throws(Fault) {
        scratch.removeAll(keepingCapacityUpTo: 64 << 10)
        // The names in their canonical order: messages, model, params, prompt, scope.
        if let messages = parts.messages {
            try Self.append("{\"messages\":", messages, "messages", to: &scratch)
            scratch.append(",\"model\":")
        } else {
            scratch.append("{\"model\":")
        }
        try Self.append(parts.model, "model", to: &scratch)
        if let params = parts.params {
            try Self.append(",\"params\":", params, "params", to: &scratch)
        } else {
            scratch.append(",\"params\":{}")
        }
        if let prompt = parts.prompt {
            scratch.append(",\"prompt\":")
            try Self.append(prompt, "prompt", to: &scratch)
        }
        scratch.append(",\"scope\":")
        try Self.append(parts.scope, "scope", to: &scratch)
        scratch.append(UInt8(ascii: "}"))
        fingerprint = Hexadecimal.digits(of: hasher.digest(of: scratch.view))
        model = Self.meaning(of: parts.model)
        scope = Self.meaning(of: parts.scope)
    }

    private static func append(
        _ name: StaticString,
        _ value: JSONValue,
        _ parameter: String,
        to buffer: inout ByteBuffer
    ) throws(Fault) {
        buffer.append(name)
        do throws(CanonicalFault) {
            try CanonicalJSON.append(value, to: &buffer)
        } catch {
            throw Fault(parameter: parameter, reason: error)
        }
    }

    private static func append(
        _ string: JSONString,
        _ parameter: String,
        to buffer: inout ByteBuffer
    ) throws(Fault) {
        do throws(CanonicalFault) {
            try CanonicalJSON.append(string, to: &buffer)
        } catch {
            throw Fault(parameter: parameter, reason: error)
        }
    }

    private static func meaning(of string: JSONString) -> [UInt8] {
        guard string.hasEscapes else { return string.raw.copy() }
        return Array(string.decoded().utf8)
    }
}
