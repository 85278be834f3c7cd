import Testing

@testable import Configuration

@Suite("Classes of data")
struct DataClassTests {
    private static let base = #""audit": {"file": "/a"}, "sessions": {"key_files": ["/k"]}, "state_directory": "/s""#

    private func faults(_ members: String, _ base: String = Self.base) async -> [String] {
        do {
            _ = try await Loading.configuration("{\(base.isEmpty ? "" : base + ", ")\(members)}")
            return []
        } catch ConfigurationError.faults(let faults) {
            return faults.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    @Test("what fits a class is without fault, and restricted data have no copies in memory")
    func fitting() async throws {
        let text = #"""
            {\#(Self.base), "namespaces": {"a": {"class": "public"}, "b": {"class": "confidential", "ttl_ms": 2592000000},
             "c": {"class": "restricted", "ttl_ms": 86400000}, "d": {"class": "restricted", "tier": "valkey"}}}
            """#
        let configuration = try await Loading.configuration(text)
        #expect(configuration.cache.classes == ["a": .public, "b": .confidential, "c": .restricted, "d": .restricted])
        #expect(configuration.cache[tierIn: "b"] == "near+valkey")
        #expect(configuration.cache[tierIn: "c"] == "valkey")
        for (name, isEncrypted) in [("a", false), ("b", true), ("c", true), ("other", false)] {
            #expect(configuration.cache[isEncryptedIn: name] == isEncrypted, "\(name)")
        }
        #expect(configuration.cache[classIn: "other"] == "internal")
    }

    @Test("what contradicts a class is a fault that names both")
    func contradictions() async {
        let cases: [(members: String, word: String)] = [
            (#""namespaces": {"a": {"class": "secret"}}"#, "namespaces.a.class"),
            (#""namespaces": {"a": {"class": "restricted", "tier": "near+valkey"}}"#, "namespaces.a.tier"),
            (#""namespaces": {"a": {"class": "restricted", "tier": "near"}}"#, "namespaces.a.tier"),
            (#""namespaces": {"a": {"class": "confidential", "encrypt": false}}"#, "namespaces.a.encrypt"),
            (#""namespaces": {"a": {"class": "restricted", "ttl_ms": 86400001}}"#, "namespaces.a.ttl_ms"),
            (#""namespaces": {"a": {"class": "restricted", "ttl_ms": null}}"#, "namespaces.a.ttl_ms"),
            (#""namespaces": {"a": {"class": "confidential", "ttl_ms": 2592000001}}"#, "namespaces.a.ttl_ms"),
            (#""cache": {"ttl_ms": null}, "namespaces": {"a": {"class": "confidential"}}"#, "namespaces.a.ttl_ms"),
        ]
        for (members, word) in cases {
            let found = await faults(members)
            #expect(found.count == 1 && found.first?.contains(word) == true, "\(members): \(found)")
        }
        let many = (0..<1001).map { #""n\#($0)": {"ttl_ms": 1000}"# }.joined(separator: ",")
        let tooMany = await faults("\"namespaces\": {\(many)}")
        #expect(tooMany.contains { $0.contains("at most 1000") }, "\(tooMany)")
        let member = #""namespaces": {"a": {"class": "confidential"}}"#
        let noKeys = await faults(member, #""audit": {"file": "/a"}, "state_directory": "/s""#)
        #expect(noKeys.count == 1 && noKeys.first?.contains("sessions.key_files") == true, "\(noKeys)")
        let noAudit = await faults(member, #""sessions": {"key_files": ["/k"]}"#)
        #expect(noAudit.count == 1 && noAudit.first?.contains("audit.file") == true, "\(noAudit)")
    }
}
