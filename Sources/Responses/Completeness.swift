import Bytes
import JSON

/// Tells outputs that are whole from those that say of themselves that they are not.
///
/// Known are the words of the common providers' formats. What speaks none of them is taken for whole: its application
/// knows better.
struct Completeness {
    /// Reasons by which an output ended before it was whole, or was kept back.
    private static let badReasons: [StaticString] = [
        "length", "content_filter", "max_tokens", "model_length", "refusal", "pause_turn", "error",
        "model_context_window_exceeded", "insufficient_system_resource", "MAX_TOKENS", "SAFETY", "RECITATION",
        "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "OTHER", "LANGUAGE",
    ]

    /// Whether something was said that speaks against it.
    private var isBroken = false
    /// Choices of a stream that began, and those that have ended, by their number.
    private var begun: Set<Int64> = []
    private var ended: Set<Int64> = []
    /// Whether a stream began that has a last word of its own.
    private var isAwaited = false
    private var isConcluded = false

    private init() {}

    /// Whether a response is whole.
    static func isComplete(response: JSONValue) -> Bool {
        guard response.kind == .object else { return true }
        var state = Completeness()
        state.read(response)
        return state.isComplete
    }

    /// Whether a recorded stream is whole.
    ///
    /// - Parameter next: Hands out one chunk after the other.
    /// - Returns: False where one of them says that it is not, or the last word is missing.
    static func isComplete(chunks next: () -> JSONValue?) -> Bool {
        var state = Completeness()
        while let chunk = next() {
            if chunk.kind == .object { state.read(chunk) }
        }
        return state.isComplete
    }

    private var isComplete: Bool {
        !isBroken && begun.isSubset(of: ended) && (!isAwaited || isConcluded)
    }

    private mutating func read(_ message: JSONValue) {
        var members = message.members()
        var isResponseObject = false
        var status: JSONString?
        while let (name, value) = members.next() {
            if name.equals("error") {
                if value.kind != .null { isBroken = true }
            } else if name.equals("choices") || name.equals("candidates") {
                readChoices(value)
            } else if name.equals("stop_reason") {
                readReason(value, of: -1)
            } else if name.equals("delta") {
                readDelta(value)
            } else if name.equals("done") {
                isAwaited = true
                if value.boolean == true { isConcluded = true }
            } else if name.equals("done_reason") {
                checkReason(value)
            } else if name.equals("type") {
                readType(value)
            } else if name.equals("object") {
                isResponseObject = value.string?.equals("response") == true
            } else if name.equals("status") {
                status = value.string
            }
        }
        if isResponseObject, let status, !status.equals("completed") { isBroken = true }
    }

    /// The kind of an event, where events have one.
    private mutating func readType(_ value: JSONValue) {
        guard let type = value.string else { return }
        if type.equals("error") || type.equals("response.failed") || type.equals("response.incomplete") {
            isBroken = true
        } else if type.equals("message_start") || type.equals("response.created") {
            isAwaited = true
        } else if type.equals("message_stop") || type.equals("response.completed") {
            isConcluded = true
        }
    }

    private mutating func readDelta(_ value: JSONValue) {
        var members = value.members()
        while let member = members.next() {
            if member.name.equals("stop_reason") { readReason(member.value, of: -1) }
        }
    }

    private mutating func readChoices(_ value: JSONValue) {
        var choices = value.elements()
        var position: Int64 = 0
        while let choice = choices.next() {
            var number = position
            var reason: JSONValue?
            var members = choice.members()
            while let member = members.next() {
                if member.name.equals("index"), let index = member.value.integer, index >= 0 { number = index }
                if member.name.equals("finish_reason") || member.name.equals("finishReason") { reason = member.value }
            }
            if let reason { readReason(reason, of: number) }
            position += 1
        }
    }

    /// Takes note of why a choice ended; null where it goes on.
    private mutating func readReason(_ value: JSONValue, of choice: Int64) {
        begun.insert(choice)
        if value.kind != .null { ended.insert(choice) }
        checkReason(value)
    }

    private mutating func checkReason(_ value: JSONValue) {
        guard let reason = value.string else { return }
        if Self.badReasons.contains(where: { reason.equals($0) }) { isBroken = true }
    }
}
