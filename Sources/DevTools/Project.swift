import Glibc

/// The files of the package, by paths relative to its directory.
struct Project {
    /// A file that cannot be read or written.
    struct Fault: Error, CustomStringConvertible {
        let path: String
        let reason: String
        var description: String { "\(path): \(reason)" }
    }

    /// Works on the package in the current directory.
    init() throws(Fault) {
        guard unsafe access("Package.swift", F_OK) == 0, unsafe access("proto", F_OK) == 0 else {
            throw Fault(path: ".", reason: "is not the package's directory: no Package.swift and proto/ here")
        }
    }

    /// The text of a file, or nil where there is none.
    func text(of path: String) throws(Fault) -> String? {
        guard let file = unsafe fopen(path, "r") else {
            if errno == ENOENT { return nil }
            throw fault(path)
        }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe fread(&block, 1, block.count, file)
            if count == 0 { break }
            bytes.append(contentsOf: block.prefix(count))
        }
        guard unsafe ferror(file) == 0 else { throw fault(path) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Fault(path: path, reason: "not UTF-8") }
        return text
    }

    /// Writes a file and the directories above it; one that has this text already keeps its time of change.
    func write(_ text: String, to path: String) throws(Fault) {
        if try self.text(of: path) == text { return }
        let names = path.split(separator: "/")
        for depth in names.indices.dropFirst() {
            let directory = names[..<depth].joined(separator: "/")
            guard unsafe mkdir(directory, 0o777) == 0 || errno == EEXIST else { throw fault(directory) }
        }
        guard let file = unsafe fopen(path, "w") else { throw fault(path) }
        let written = unsafe fputs(text, file) >= 0
        guard unsafe fclose(file) == 0, written else { throw fault(path) }
    }

    /// Deletes a file.
    func remove(_ path: String) throws(Fault) {
        guard unsafe unlink(path) == 0 else { throw fault(path) }
    }

    /// Paths of the files below a directory whose names end with `suffix`, sorted; none where it does not exist.
    func files(below directory: String, suffix: String) throws(Fault) -> [String] {
        guard let stream = unsafe opendir(directory) else {
            if errno == ENOENT { return [] }
            throw fault(directory)
        }
        defer { unsafe closedir(stream) }
        var paths: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(".") { continue }
            let path = "\(directory)/\(name)"
            if unsafe entry.pointee.d_type == UInt8(DT_DIR) {
                paths += try files(below: path, suffix: suffix)
            } else if name.hasSuffix(suffix) {
                paths.append(path)
            }
        }
        return paths.sorted()
    }

    private func fault(_ path: String) -> Fault {
        Fault(path: path, reason: unsafe String(cString: strerror(errno)))
    }
}
