import Bytes
import JSON
import JSONRPC

/// Conditions on the members of a message, all of which must hold.
///
/// A condition is the path of a member and the values that it may have; it is decoded once, so that a message is only
/// walked through.
struct MessageFilter {
    /// Most conditions, and most values of one.
    static let conditionsMax = 32
    /// Most values that a condition allows.
    static let valuesMax = 256

    private enum Test {
        case text([UInt8])
        case prefix([UInt8])
        case number(integer: Int64?, Double)
        case boolean(Bool)
        case null
    }

    private struct Condition {
        /// Names of the members, from the message down.
        let path: [[UInt8]]
        let tests: [Test]
    }

    private let conditions: [Condition]

    /// Decodes a filter: an object of member paths, with dots between names, and what the member must be.
    ///
    /// - Throws: ``RPCError`` `invalid_params` where a value is none that can be compared, or there are too many.
    init(_ object: JSONValue) throws(RPCError) {
        var conditions: [Condition] = []
        var members = object.members()
        while let (name, value) = members.next() {
            guard conditions.count < MessageFilter.conditionsMax else {
                throw MessageFilter.invalid("has at most \(MessageFilter.conditionsMax) conditions")
            }
            let text = try MessageFilter.text(name)
            let path = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(Array.init)
            conditions.append(Condition(path: path, tests: try MessageFilter.tests(value)))
        }
        self.conditions = conditions
    }

    private static func tests(_ value: JSONValue) throws(RPCError) -> [Test] {
        guard value.kind == .array else { return [try test(value)] }
        var tests: [Test] = []
        var elements = value.elements()
        while let element = elements.next() {
            guard tests.count < valuesMax else { throw invalid("allows at most \(valuesMax) values of a member") }
            tests.append(try test(element))
        }
        guard !tests.isEmpty else { throw invalid("must not have an empty array: nothing would ever fit") }
        return tests
    }

    private static func test(_ value: JSONValue) throws(RPCError) -> Test {
        switch value.kind {
        case .string:
            guard let string = value.string else { preconditionFailure("a string is a string") }
            let text = try text(string)
            return text.last == UInt8(ascii: "*") ? .prefix(text.dropLast()) : .text(text)
        case .number:
            return .number(integer: value.integer, double(value))
        case .true: return .boolean(true)
        case .false: return .boolean(false)
        case .null: return .null
        case .array, .object:
            throw invalid("compares with strings, numbers, truth values and null; a dot leads to an inner member")
        }
    }

    private static func text(_ string: JSONString) throws(RPCError) -> [UInt8] {
        var buffer = ByteBuffer()
        do throws(JSONFault) {
            try string.append(to: &buffer)
        } catch {
            throw invalid("must be text: it holds half of a surrogate pair")
        }
        return buffer.view.copy()
    }

    private static func invalid(_ requirement: String) -> RPCError {
        .invalidParams("filter \(requirement)", parameter: "filter")
    }

    private static func double(_ value: JSONValue) -> Double { Double(value.text.text()) ?? .infinity }

    /// Whether every condition holds of a message.
    ///
    /// Of several members of one name the last counts, as most parsers have it.
    ///
    /// - Complexity: O(conditions × message).
    func matches(_ message: JSONValue) -> Bool {
        for condition in conditions {
            guard let value = MessageFilter.find(condition.path, in: message) else { return false }
            guard condition.tests.contains(where: { MessageFilter.holds($0, of: value) }) else { return false }
        }
        return true
    }

    private static func find(_ path: [[UInt8]], in message: JSONValue) -> JSONValue? {
        var value = message
        for name in path {
            var found: JSONValue?
            var members = value.members()
            while let member = members.next() {
                if equals(member.name, name) { found = member.value }
            }
            guard let found else { return nil }
            value = found
        }
        return value
    }

    private static func equals(_ string: JSONString, _ bytes: [UInt8]) -> Bool {
        with(string) { text in bytes.withByteView { $0.equals(text) } }
    }

    private static func holds(_ test: Test, of value: JSONValue) -> Bool {
        switch test {
        case .text(let text):
            return value.string.map { equals($0, text) } ?? false
        case .prefix(let prefix):
            return value.string.map { with($0) { text in prefix.withByteView { text.hasPrefix($0) } } } ?? false
        case .number(let integer, let number):
            guard value.kind == .number else { return false }
            // Integers are compared as such: as fractions, large ones that differ would be the same.
            if let integer, let other = value.integer { return integer == other }
            return double(value) == number
        case .boolean(let boolean):
            return value.boolean == boolean
        case .null:
            return value.kind == .null
        }
    }

    /// Runs `body` with what a string means; false where it is no text.
    private static func with(_ string: JSONString, _ body: (ByteView) -> Bool) -> Bool {
        guard string.hasEscapes else { return body(string.raw) }
        var buffer = ByteBuffer()
        guard (try? string.append(to: &buffer)) != nil else { return false }
        return body(buffer.view)
    }
}
