/// Puts the text of requests together from parts, so that what a user wrote reaches the agent byte for byte.
public enum RequestText {
    /// The line of one call, its line feed included.
    ///
    /// - Parameters:
    ///   - id: The call's id.
    ///   - method: Name of the method.
    ///   - params: Valid JSON text of an object or array; its line breaks, which JSON has only between tokens, become
    ///     spaces. nil sends none.
    /// - Returns: UTF-8 that ends in the only line feed.
    public static func call(id: Int64, method: String, params: [UInt8]?) -> [UInt8] {
        var line = [UInt8]("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":".utf8)
        line.reserveCapacity(line.count + method.utf8.count + (params?.count ?? 0) + 16)
        line += JSONFragment(string: method).bytes
        if let params {
            line += ",\"params\":".utf8
            line += oneLine(params)
        }
        line += "}\n".utf8
        return line
    }

    private static func oneLine(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return text }
        return text.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
    }
}
