import JSON
import Linux
import TestSupport
import Testing

@Suite("rpc bench with a real agent")
struct BenchTests {
    /// What `rpc bench --json` prints, as far as the tests look at it.
    private struct Report {
        let targets: [DocumentObject]

        init(_ text: String) throws {
            let document = try Document(parsing: text)
            targets = try #require(document.object?["targets"]?.array).compactMap(\.object)
        }

        /// A figure of each round of a server.
        func figures(_ name: String, of target: Int = 0) throws -> [Double] {
            let rounds = try #require(targets[target]["rounds"]?.array)
            return try rounds.map { try #require($0.object?[name]?.double ?? $0.object?[name]?.integer.map(Double.init)) }
        }
    }

    private static let brief = ["--warm-up", "0", "--duration", "100ms", "--keys", "50", "--connections", "4"]
}
