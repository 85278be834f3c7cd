import Testing

@testable import DevTools

@Suite("A Swift file under the checks")
struct SwiftSourceTests {
    private func code(_ text: String) -> [String] {
        SwiftSource(path: "Sources/Bytes/A.swift", text: text).code.map { String($0) }
    }

    @Test("loses its comments and the content of its strings, not its code")
    func erasure() {
        #expect(code("a // b") == ["a     "])
        #expect(code(#"a("b", c)"#) == ["a(   , c)"])
        #expect(code(#"a("\"{", b)"#) == ["a(     , b)"])
        #expect(code(##"a(#"\"{"#, b)"##) == ["a(       , b)"])
        #expect(code("a = \"\"\"\n  { \"b\" }\n  \"\"\" ; b") == ["a =    ", "         ", "      ; b"])
    }

    @Test("keeps the code inside of interpolations")
    func interpolation() {
        #expect(code(#""\(f("x", g()))" + h"#).map { $0.filter { $0 != " " } } == ["f(,g())+h"])
        #expect(code(###"#"\(no) \#(yes)"# + h"###).map { $0.filter { $0 != " " } } == ["yes+h"])
    }

    @Test("is told which functions are too long, and counts no brace of a string")
    func longFunctions() {
        func file(_ lines: Int) -> SwiftSource {
            let body = Array(repeating: #"        print("}") // }"#, count: lines - 2).joined(separator: "\n")
            let text = "struct A {\n    func f(_ g: () -> Void = { 1 }) {\n\(body)\n    }\n    func h() {}\n}\n"
            return SwiftSource(path: "Sources/Bytes/A.swift", text: text)
        }
        #expect(file(Tidy.functionLinesMax).longFunctions() == [])
        let faults = file(Tidy.functionLinesMax + 1).longFunctions()
        #expect(faults == ["Sources/Bytes/A.swift:2: the function has 71 lines, 70 are allowed"])
    }

    @Test("may have requirements of protocols, which have no body")
    func requirements() {
        let body = Array(repeating: "    var a: Int { get }", count: 100).joined(separator: "\n")
        let text = "protocol A {\n    func f()\n\(body)\n}\n"
        #expect(SwiftSource(path: "Sources/Bytes/A.swift", text: text).longFunctions() == [])
    }
}

@Suite("The manifest under the checks")
struct ManifestTests {
    @Test("is read with its sections, libraries and dependencies over several lines")
    func reading() {
        let manifest = Manifest(
            """
            targets: [
                // C libraries: none.
                .systemLibrary(name: "C"),
                // Ground: bytes.
                module("A"),
                module(
                    "B",
                    [
                        "A", "C",
                    ]
                ),
                // Tests.
                .target(name: "S", dependencies: ["A"], path: "Tests/S", swiftSettings: settings),
            ]
            """
        )
        #expect(manifest.libraries == ["C"])
        #expect(manifest.targets.map(\.name) == ["A", "B", "S"])
        #expect(manifest.targets.map(\.dependencies) == [[], ["A", "C"], ["A"]])
        #expect(manifest.targets.map(\.section) == ["Ground", "Ground", "Tests"])
        #expect(manifest.faults() == [])
    }

    @Test("is faulty where a target depends on a later one")
    func upwards() {
        let faults = Manifest("module(\"A\", [\"B\"]),\nmodule(\"B\"),\n").faults()
        #expect(faults == ["Package.swift: A depends on B, which does not stand above it"])
    }

    @Test("is faulty where features know each other or share a C library with anyone")
    func sideways() {
        let features = Manifest("// Features: some.\nmodule(\"A\"),\nmodule(\"B\", [\"A\"]),\n").faults()
        #expect(features == ["Package.swift: B depends on A, another feature"])
        let text = ".systemLibrary(name: \"C\"),\nmodule(\"A\", [\"C\"]),\ntests(\"T\", [\"C\"]),\n"
        #expect(Manifest(text).faults() == ["Package.swift: C is imported by A and T"])
    }
}
