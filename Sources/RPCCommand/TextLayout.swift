/// Lays plain text out in columns and lines of bounded width.
enum TextLayout {
    /// Width that texts for people keep to, in characters.
    static let width = 88

    /// `text` in lines of at most ``width`` characters, each after `indent` spaces; a longer word stands alone.
    static func wrapped(_ text: String, indent: Int = 0) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = margin
        for word in text.split(whereSeparator: \.isWhitespace) {
            if line.count > indent, line.count + 1 + word.count > width {
                lines.append(line)
                line = margin
            }
            line += (line.count > indent ? " " : "") + word
        }
        if line.count > indent { lines.append(line) }
        return lines.map { "\($0)\n" }.joined()
    }

    /// Rows of cells in aligned columns, two spaces apart; the last column is as wide as it is.
    static func columns(_ rows: [[String]], indent: Int = 0) -> String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = String(repeating: " ", count: indent)
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 {
                    line += String(repeating: " ", count: widths[column] - cell.count + 2)
                }
            }
            while line.last == " " { line.removeLast() }
            return "\(line)\n"
        }.joined()
    }

    /// Terms and what they mean, in two columns; the second is wrapped to ``width``.
    static func definitions(_ rows: [(term: String, meaning: String)], indent: Int = 0) -> String {
        let margin = indent + (rows.map(\.term.count).max() ?? 0) + 2
        return rows.map { term, meaning in
            let head = String(repeating: " ", count: indent) + term
            let padding = String(repeating: " ", count: margin - head.count)
            return head + padding + wrapped(meaning, indent: margin).dropFirst(margin)
        }.joined()
    }
}
