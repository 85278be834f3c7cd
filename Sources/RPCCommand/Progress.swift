import Linux

/// Tells a person at a terminal how far long work has come: one line on standard error that is drawn again.
struct Progress {
    /// Shortest time between two drawings.
    private static let interval = Duration.milliseconds(200)

    private let console: Console
    private let started = Instant.now
    private var next = Instant.now
    private var isDrawn = false
    /// Entries so far.
    private(set) var entries = 0
    /// Their bytes.
    private(set) var bytes = 0

    init(_ console: Console) {
        self.console = console
    }

    /// Takes note of more entries, and draws where it is time to.
    mutating func add(entries: Int, bytes: Int) {
        self.entries += entries
        self.bytes += bytes
        guard console.isErrorTerminal, Instant.now >= next else { return }
        next = Instant.now.advanced(by: Self.interval)
        draw()
    }

    /// Draws a last time and leaves the line.
    mutating func finish() {
        guard console.isErrorTerminal else { return }
        draw()
        if isDrawn { console.complain("\n") }
        isDrawn = false
    }

    private mutating func draw() {
        isDrawn = true
        let seconds = Double(max(Instant.now.milliseconds(since: started), 1)) / 1000
        let rate = Int(Double(entries) / seconds)
        console.complain("\r\u{1b}[K\(entries) entries, \(Self.size(bytes)), \(rate) a second")
    }

    private static func size(_ bytes: Int) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << shift {
            let tenths = (bytes * 10) >> shift
            return "\(tenths / 10).\(tenths % 10) \(unit)"
        }
        return "\(bytes) bytes"
    }
}
