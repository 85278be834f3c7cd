import Linux

/// Waits until `condition` holds, looking again every few milliseconds without holding up a thread.
///
/// - Parameters:
///   - what: What is awaited, for the message: "the server answers".
///   - limit: How long to wait.
///   - condition: Looks and returns at once.
/// - Throws: ``FixtureError`` when the time is over, `CancellationError`, or what `condition` throws.
public func waitUntil(
    _ what: @autoclosure () -> String,
    within limit: Duration = .seconds(10),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = Instant.now.advanced(by: limit)
    while try await !condition() {
        guard Instant.now < deadline else { throw FixtureError("waited \(limit) in vain until \(what())") }
        try await Task.sleep(for: .milliseconds(2))
    }
}
