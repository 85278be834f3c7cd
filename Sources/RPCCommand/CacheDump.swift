import Bytes
import Glibc
import JSON
import Linux
import RPCClient
import RPCUsage

/// `rpc cache.dump [FILE]`: writes the entries of a namespace, a line each.
///
/// Keys come page by page, and the entries of a page over one pipelined connection, so no more than a page of keys and a
/// few entries are in memory. Into a file it also writes how far it came, so that the same command goes on where it was
/// interrupted. What is written meanwhile may be in it or not; an entry may be there twice, with its newest value last.
struct CacheDump {
    static let help = """
        rpc cache.dump [FILE] [namespace=NAME] [pattern=GLOB] [cursor=CURSOR]

        Writes cache entries with their tags and the life they have left, one JSON object a
        line, to FILE, or to standard output where that is - or left out. A FILE of a dump that
        was interrupted is gone on with; to standard output, cursor=CURSOR goes on where the
        message said. rpc cache.load FILE reads it. Keys that are not UTF-8 are left out.

        It is one namespace: NAME, or the one without a name. Every other one is a dump of its
        own:

          rpc cache.dump unnamed.ndjson
          for name in people pages; do rpc cache.dump "$name.ndjson" namespace="$name"; done

        """

    /// Keys of one page, about.
    private static let pageCount = 500
    /// Most calls under way.
    private static let callsMax = 64
    /// Bytes of replies that may be under way, about.
    private static let replyBytes = 4 << 20
    /// Bytes that are gathered before they are written.
    private static let blockBytes = 256 << 10
    /// How long one reply may take.
    private static let patience = Duration.seconds(60)

    private let invocation: Invocation
    private let console: Console
    private let connection: AgentConnection
    private let options: TransferOptions
    /// The file; nil for standard output.
    private let file: String?

    init(
        _ words: [String],
        _ invocation: Invocation,
        _ console: Console,
        _ connection: AgentConnection
    ) throws(CommandError) {
        self.invocation = invocation
        self.console = console
        self.connection = connection
        options = try TransferOptions(words, method: "cache.dump", names: ["namespace", "pattern", "cursor"])
        file = options.file == "-" ? nil : options.file
        guard file == nil || options["cursor"] == nil else {
            throw .usage("cache.dump: a FILE knows where it goes on; cursor goes with standard output")
        }
    }

    /// Dumps.
    ///
    /// - Throws: ``CommandError``, with how to go on.
    func run() throws(CommandError) -> ExitStatus {
        var checkpoint = DumpCheckpoint(
            cursor: options["cursor"] ?? DumpCompleteness.beginning,
            namespace: options["namespace"],
            pattern: options["pattern"]
        )
        var output = DumpOutput(console)
        if let file { checkpoint = try output.open(file, checkpoint) }
        let client = try connection.open(until: .now.advanced(by: Call.connectLimit))
        var progress = Progress(console)
        do throws(CommandError) {
            while let cursor = checkpoint.cursor {
                let page = try page(from: cursor, client)
                try fetch(page.keys, client, &output, &progress)
                checkpoint = DumpCheckpoint(
                    cursor: page.cursor,
                    namespace: checkpoint.namespace,
                    pattern: checkpoint.pattern
                )
                try output.finishPage(checkpoint)
            }
        } catch {
            progress.finish()
            throw CommandError(error.status, error.message, advice: error.advice + [advice(checkpoint)])
        }
        progress.finish()
        return .done
    }

    private func advice(_ checkpoint: DumpCheckpoint) -> String {
        if file != nil { return "The same command goes on from there." }
        return "cursor=\(checkpoint.cursor ?? "0") goes on from the last whole page."
    }

    private func page(
        from cursor: String,
        _ client: RPCClient
    ) throws(CommandError) -> (cursor: String?, keys: [JSONFragment]) {
        var params = "{\"count\":\(Self.pageCount)"
        if cursor != DumpCompleteness.beginning { params += ",\"cursor\":\(JSONFragment(string: cursor).text)" }
        for name in ["namespace", "pattern"] {
            if let value = options[name] { params += ",\"\(name)\":\(JSONFragment(string: value).text)" }
        }
        let id = client.send("cache.keys", params: JSONFragment("\(params)}"))
        let result = try self.result(of: id, "cache.keys", client)
        return (result["cursor"]?.string, result["keys"]?.elements ?? [])
    }

    /// Reads the entries of a page and writes those that are still there.
    private func fetch(
        _ keys: [JSONFragment],
        _ client: RPCClient,
        _ output: inout DumpOutput,
        _ progress: inout Progress
    ) throws(CommandError) {
        let namespace = options["namespace"].map { JSONFragment(string: $0) }
        var calls: [Int64] = []
        var answered = 0
        var largest = 1024
        while answered < keys.count {
            let window = min(max(Self.replyBytes / largest, 1), Self.callsMax)
            while calls.count < keys.count, calls.count - answered < window {
                calls.append(client.send("cache.get", params: params(keys[calls.count], namespace)))
            }
            let result = try self.result(of: calls[answered], "cache.get", client)
            if result["degraded"]?.kind == .true {
                throw CommandError(.unavailable, "cache.dump: Valkey cannot be reached")
            }
            largest = max(result.bytes.count, largest - largest / 8)
            if let line = EntryLine.text(of: result, key: keys[answered], namespace: namespace) {
                try output.append(line, blockBytes: Self.blockBytes)
                progress.add(entries: 1, bytes: line.count)
            }
            answered += 1
        }
    }

    private func params(_ key: JSONFragment, _ namespace: JSONFragment?) -> JSONFragment? {
        let scope = namespace.map { ",\"namespace\":\($0.text)" } ?? ""
        return JSONFragment("{\"key\":\(key.text)\(scope),\"with_ttl\":true,\"with_tags\":true}")
    }

    private func result(of id: Int64, _ method: String, _ client: RPCClient) throws(CommandError) -> JSONFragment {
        let reply: RPCMessage
        do throws(RPCClientError) {
            reply = try client.reply(to: id, until: .now.advanced(by: invocation.timeout ?? Self.patience))
        } catch {
            throw CommandError(error, calling: method)
        }
        if let error = reply.error { throw ErrorExplanation.explain(error, method: method) }
        guard let result = reply.result else {
            throw CommandError(.unreachable, "\(method): the reply holds neither a result nor an error")
        }
        return result
    }
}

/// Where a dump goes: a file with its checkpoints, or standard output without.
private struct DumpOutput: ~Copyable {
    private let console: Console
    private var gathered: [UInt8] = []
    private var file: FileDescriptor?
    private var path = ""

    init(_ console: Console) {
        self.console = console
    }

    /// Makes a file, or opens that of a dump that was interrupted and cuts off what follows its last checkpoint.
    ///
    /// - Returns: Where to go on.
    mutating func open(_ path: String, _ beginning: DumpCheckpoint) throws(CommandError) -> DumpCheckpoint {
        self.path = path
        let descriptor: FileDescriptor
        do throws(SystemError) {
            descriptor = try FileDescriptor.open(path, flags: O_RDWR | O_CREAT | O_APPEND)
        } catch {
            throw .usage("\(path) cannot be written: \(error.reason)")
        }
        let (checkpoint, offset, isEmpty) = try DumpOutput.lastCheckpoint(path)
        if isEmpty {
            file = consume descriptor
            gathered += beginning.line
            try flush()
            return beginning
        }
        guard let checkpoint else {
            throw .usage("\(path) is there and is no dump that was interrupted", "Name a file that is not there yet.")
        }
        guard checkpoint.cursor != nil else {
            throw .usage("\(path) is a dump that is complete", "Name a file that is not there yet.")
        }
        guard checkpoint.namespace == beginning.namespace, checkpoint.pattern == beginning.pattern else {
            throw .usage("\(path) is a dump of another namespace or pattern", "Name a file that is not there yet.")
        }
        guard ftruncate(descriptor.number, offset) == 0 else {
            throw .usage(
                "\(path) cannot be cut back to its last whole page: \(SystemError.current("ftruncate").reason)"
            )
        }
        file = consume descriptor
        return checkpoint
    }

    private static func lastCheckpoint(
        _ path: String
    ) throws(CommandError) -> (DumpCheckpoint?, offset: Int, isEmpty: Bool) {
        let descriptor: FileDescriptor
        do throws(SystemError) {
            descriptor = try FileDescriptor.open(path, flags: O_RDONLY)
        } catch {
            throw .usage("\(path) cannot be read: \(error.reason)")
        }
        var reader = LineReader(descriptor, name: path)
        var last: DumpCheckpoint?
        var offset = 0
        let beginning = [UInt8]("{\"cursor\":".utf8)
        while true {
            let start = reader.offset
            guard let line = try reader.next() else { break }
            // A last line that lacks its end was not written whole.
            guard line.starts(with: beginning), reader.offset > start + line.count,
                let checkpoint = JSONFragment(line).flatMap({ DumpCheckpoint($0.members) })
            else { continue }
            last = checkpoint
            offset = reader.offset
        }
        return (last, offset, reader.line == 0)
    }

    /// Adds an entry's line.
    mutating func append(_ line: [UInt8], blockBytes: Int) throws(CommandError) {
        gathered += line
        if gathered.count >= blockBytes { try flush() }
    }

    /// Writes what was gathered, and how far it is.
    mutating func finishPage(_ checkpoint: DumpCheckpoint) throws(CommandError) {
        if file != nil { gathered += checkpoint.line }
        try flush()
    }

    private mutating func flush() throws(CommandError) {
        guard !gathered.isEmpty else { return }
        let bytes = gathered
        gathered.removeAll(keepingCapacity: true)
        guard file != nil else { return try console.write(bytes) }
        var written = 0
        while written < bytes.count {
            guard let transfer = bytes.withByteView({ file?.write($0.dropFirst(written)) }) else { return }
            switch transfer {
            case .bytes(let count): written += count
            case .wouldBlock: continue
            case .end: throw CommandError(.errorReply, "\(path) takes nothing more")
            case .failed(let error): throw CommandError(.errorReply, "\(path) cannot be written: \(error.reason)")
            }
        }
    }
}
