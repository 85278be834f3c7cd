/// Lets one test at a time have the machine, so that a load is disturbed by nothing but the fault it is to meet.
actor Machine {
    private static let shared = Machine()

    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Runs `body` when no other test has the machine.
    static func alone<Result>(_ body: () async throws -> Result) async rethrows -> Result {
        await shared.take()
        do {
            let result = try await body()
            await shared.release()
            return result
        } catch {
            await shared.release()
            throw error
        }
    }

    private func take() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Hands the machine to the one who waits longest.
    private func release() {
        if waiting.isEmpty {
            isTaken = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}
