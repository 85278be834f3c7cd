import Linux

/// The programs that were built together with the tests.
public enum Product {
    /// Path of the built program `name`, which lies beside the executable of the tests.
    ///
    /// - Throws: ``FixtureError`` where it has not been built.
    public static func path(_ name: String) throws -> String {
        let tests = try File.destination(ofLink: "/proc/self/exe")
        let directory = tests.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        guard let path = Executable.find("\(directory)/\(name)") else {
            throw FixtureError("\(directory)/\(name) is missing: build it with swift build --product \(name)")
        }
        return path
    }
}
