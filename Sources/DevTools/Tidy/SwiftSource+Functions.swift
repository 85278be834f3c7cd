extension SwiftSource {
    /// Functions with more lines than a function may have.
    func longFunctions() -> [String] {
        var faults: [String] = []
        for index in code.indices where declaresFunction(words(ofLine: index)) {
            guard let end = lastLine(ofFunctionAt: index) else { continue }
            let count = end - index + 1
            if count > Tidy.functionLinesMax {
                faults.append(fault(index, "the function has \(count) lines, \(Tidy.functionLinesMax) are allowed"))
            }
        }
        return faults
    }

    private func declaresFunction(_ words: [Substring]) -> Bool {
        let modifiers: Set<Substring> = [
            "package", "public", "open", "internal", "fileprivate", "private", "static", "class", "final", "override",
            "mutating", "nonmutating", "borrowing", "consuming", "nonisolated", "nonisolated(nonsending)", "isolated",
            "required", "convenience", "indirect", "async",
        ]
        guard let word = words.first(where: { !modifiers.contains($0) }) else { return false }
        return ["func", "deinit"].contains(word)
            || ["init(", "init?(", "init<", "subscript("].contains { word.hasPrefix($0) }
    }

    /// Index of the line with the brace that ends a function, or nil where it has no body.
    private func lastLine(ofFunctionAt start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in start..<code.count {
            for character in code[index] {
                switch character {
                case "(", "[": parentheses += 1
                case ")", "]": parentheses -= 1
                case "{" where parentheses == 0 || braces > 0: braces += 1
                case "}" where braces > 0:
                    braces -= 1
                    if braces == 0 { return index }
                default: break
                }
            }
            if braces == 0, parentheses == 0, !continues(after: index) { return nil }
        }
        return nil
    }

    /// Whether the line behind `index` belongs to the same signature: a requirement of a protocol ends with its line.
    private func continues(after index: Int) -> Bool {
        guard index + 1 < code.count, let word = words(ofLine: index + 1).first else { return false }
        return ["where", "->", "throws", "async", "{"].contains { word.hasPrefix($0) }
    }
}
