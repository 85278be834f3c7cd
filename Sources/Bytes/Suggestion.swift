/// Finds what a person meant by a word that nobody knows.
public enum Suggestion {
    /// The known words closest to `word`, in alphabetical order, at most three.
    ///
    /// A slip of a few letters counts, and the last part of a dotted name: `get` means `cache.get` or `hash.get`.
    public static func closest(to word: String, among known: [String]) -> [String] {
        let wanted = Array(word.lowercased().utf8)
        let allowed = max(1, min(3, wanted.count / 3))
        let ranked = known.compactMap { name -> (name: String, distance: Int)? in
            if !word.contains("."), name.hasSuffix(".\(word)") { return (name, 0) }
            let distance = distance(wanted, Array(name.lowercased().utf8))
            return distance <= allowed ? (name, distance) : nil
        }
        let best = ranked.map(\.distance).min()
        return ranked.filter { $0.distance == best }.map(\.name).sorted().prefix(3).map(\.self)
    }

    /// The question to ask, such as "Did you mean cache.get or hash.get?"; none where nothing is close.
    public static func question(about word: String, among known: [String]) -> [String] {
        let names = closest(to: word, among: known)
        return names.isEmpty ? [] : ["Did you mean \(names.joined(separator: " or "))?"]
    }

    /// Letters to insert, remove, replace or swap with a neighbour (optimal string alignment).
    ///
    /// - Complexity: O(n · m).
    public static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                let cost = left[i] == right[j] ? 0 : 1
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + cost)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            (beforeLast, last) = (last, row)
        }
        return last[right.count]
    }
}
