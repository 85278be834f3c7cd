import TestSupport
import Testing

@Suite("The files for containers")
struct ContainerTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()

    /// The words of a file of the repository; what YAML and shells put around them is left out.
    private func words(_ path: String) throws -> [Substring] {
        try File.text("\(Self.root)/\(path)").split { " \n\t()[]\",=".contains($0) }
    }

    /// The packages that are installed to build with.
    private func buildPackages() throws -> [Substring] {
        let words = try words("scripts/dependencies")
        let start = try #require(words.firstIndex(of: "build_packages"))
        return Array(words[(start + 1)...].prefix { $0 != "readonly" })
    }

    @Test(
        "an image is built with what the program is built with elsewhere, and has the libraries that it is linked with"
    )
    func packages() throws {
        let packages = try buildPackages()
        #expect(packages.contains("libhiredis-dev") && packages.contains("pkg-config"))
        let stages = try File.text("\(Self.root)/config/Containerfile").split(separator: "\nFROM ")
        #expect(stages.count == 3)
        let (build, run) = (stages[1].split { " \n".contains($0) }, stages[2].split { " \n".contains($0) })
        for package in packages {
            #expect(build.contains(package), "\(package) is not there to build with")
            guard package.hasSuffix("-dev") else { continue }
            let library = package.dropLast(4)
            let isThere = run.contains { $0.hasPrefix(library) && $0.dropFirst(library.count).first?.isNumber == true }
            #expect(isThere, "\(library) is not there to run with")
        }
    }

    @Test("every package that has headers of ours is one that is built with")
    func headers() throws {
        let packages = try buildPackages()
        let directories = ["CHiredis", "CJansson", "CMicroHTTPD", "COpenSSL", "CZstd"]
        let names = ["hiredis", "jansson", "microhttpd", "ssl", "zstd"]
        for (directory, name) in zip(directories, names) {
            #expect(File.exists("\(Self.root)/Sources/\(directory)/shim.h"))
            #expect(packages.contains { $0 == "lib\(name)-dev" }, "\(name)")
        }
        #expect(packages.count { $0.hasSuffix("-dev") } == names.count)
    }

    @Test("the agent has a store that may forget and one that may not, each with its configuration")
    func stores() throws {
        let words = try words("config/compose.yaml")
        for (flag, url) in [("--valkey", "valkey://valkey:6379"), ("--state", "valkey://valkey-state:6381")] {
            let index = try #require(words.lastIndex(of: flag[...]), "\(flag)")
            #expect(words[index + 1] == url[...])
        }
        for (service, file, port) in [
            ("valkey:", "valkey.conf", "6379"), ("valkey-state:", "valkey-state.conf", "6381"),
        ] {
            #expect(words.contains(service[...]))
            #expect(words.contains("/etc/valkey/\(file)"))
            #expect(words.contains("./\(file):/etc/valkey/\(file):ro"))
            #expect(try File.text("\(Self.root)/config/\(file)").contains("\nport \(port)\n"))
        }
    }
}
