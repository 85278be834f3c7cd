import JSON

// Each of these decodes one parameter into the variable that waits for it. A variable that is filled already means that
// the parameter was given twice. Nothing is allocated unless an error is thrown.

extension JSONValue {
    /// Takes any JSON.
    func decode(into target: inout JSONValue?, named name: StaticString) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        target = self
    }

    /// Takes a string that follows `rule`.
    func decode(
        into target: inout JSONString?,
        named name: StaticString,
        _ rule: StringRule
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        guard let string else { throw InvalidParameters("\(name)", "must be a string") }
        guard rule.allows(string) else { throw InvalidParameters("\(name)", rule.requirement) }
        target = string
    }

    /// Takes one of a few words.
    func decode<Choice: ParameterChoice>(
        into target: inout Choice?,
        named name: StaticString
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        guard let string, let choice = Choice(string) else {
            throw InvalidParameters("\(name)", "must be \(Choice.words)")
        }
        target = choice
    }

    /// Takes a truth value.
    func decode(into target: inout Bool?, named name: StaticString) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        guard let boolean else { throw InvalidParameters("\(name)", "must be true or false") }
        target = boolean
    }

    /// Takes an integer of `range`.
    func decode(
        into target: inout Int64?,
        named name: StaticString,
        in range: ClosedRange<Int64>
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        guard let integer, range.contains(integer) else {
            throw InvalidParameters("\(name)", "must be \(words(for: range))")
        }
        target = integer
    }

    /// Takes an integer of `range`, or null.
    func decode(
        into target: inout NullableInteger,
        named name: StaticString,
        in range: ClosedRange<Int64>
    ) throws(InvalidParameters) {
        guard target == .absent else { throw .repeated(name) }
        if kind == .null {
            target = .null
            return
        }
        guard let integer, range.contains(integer) else {
            throw InvalidParameters("\(name)", "must be \(words(for: range)), or null")
        }
        target = .value(integer)
    }

    /// Takes a number, however it is written.
    func decodeNumber(into target: inout JSONValue?, named name: StaticString) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        guard kind == .number else { throw InvalidParameters("\(name)", "must be a number") }
        target = self
    }

    /// Takes an array of anything.
    func decodeArray(
        into target: inout JSONValue?,
        named name: StaticString,
        count range: ClosedRange<Int>
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        _ = try eachElement(named: name, count: range) { _, _ in }
        target = self
    }

    /// Takes an object of at least `minimum` members.
    func decodeObject(
        into target: inout JSONValue?,
        named name: StaticString,
        members minimum: Int
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        guard kind == .object else { throw InvalidParameters("\(name)", "must be an object") }
        var members = members()
        for _ in 0..<minimum where members.next() == nil {
            throw InvalidParameters("\(name)", "must have at least \(minimum) \(minimum == 1 ? "member" : "members")")
        }
        target = self
    }

    /// Takes an array of strings, each of which follows `rule`.
    func decode(
        into target: inout StringList?,
        named name: StaticString,
        count range: ClosedRange<Int>,
        each rule: StringRule
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        let count = try eachElement(named: name, count: range) { element, index throws(InvalidParameters) in
            guard let string = element.string else { throw InvalidParameters("\(name)[\(index)]", "must be a string") }
            guard rule.allows(string) else { throw InvalidParameters("\(name)[\(index)]", rule.requirement) }
        }
        target = StringList(array: self, count: count)
    }

    /// Takes an array of objects.
    func decode<Element: ObjectParameter>(
        into target: inout ObjectList<Element>?,
        named name: StaticString,
        count range: ClosedRange<Int>
    ) throws(InvalidParameters) {
        guard target == nil else { throw .repeated(name) }
        let count = try eachElement(named: name, count: range) { element, index throws(InvalidParameters) in
            guard element.kind == .object else { throw InvalidParameters("\(name)[\(index)]", "must be an object") }
            do throws(InvalidParameters) {
                _ = try Element(object: element)
            } catch {
                throw error.within(name, at: index)
            }
        }
        target = ObjectList(array: self, count: count)
    }

    /// Checks each element of an array.
    ///
    /// - Returns: How many there are, in `range`.
    private func eachElement(
        named name: StaticString,
        count range: ClosedRange<Int>,
        _ check: (JSONValue, Int) throws(InvalidParameters) -> Void
    ) throws(InvalidParameters) -> Int {
        guard kind == .array else { throw InvalidParameters("\(name)", "must be an array") }
        var elements = elements()
        var count = 0
        while let element = elements.next() {
            guard count < range.upperBound else { throw Self.badCount(name, range) }
            try check(element, count)
            count += 1
        }
        guard count >= range.lowerBound else { throw Self.badCount(name, range) }
        return count
    }

    private static func badCount(_ name: StaticString, _ range: ClosedRange<Int>) -> InvalidParameters {
        InvalidParameters("\(name)", "must have from \(range.lowerBound) to \(range.upperBound) elements")
    }

    private func words(for range: ClosedRange<Int64>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): "an integer of 64 bits"
        case (let least, .max): "an integer of at least \(least)"
        case (.min, let most): "an integer of at most \(most)"
        case (let least, let most): "an integer from \(least) to \(most)"
        }
    }
}
