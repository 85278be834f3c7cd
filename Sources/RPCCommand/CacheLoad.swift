import Glibc
import JSON
import Linux
import RPCClient
import RPCUsage

/// `rpc cache.load FILE`: writes the entries of a file into the cache.
///
/// Entries go in batches, a few of which are under way at once, and those with tags or a stale period one by one, so
/// memory does not grow with the file. Writing an entry twice is writing it once: after an interruption the same command
/// may begin anew, or go on with `from`.
struct CacheLoad {
    static let help = """
        rpc cache.load FILE [namespace=NAME] [from=LINE]

        Writes the entries of FILE, one JSON object a line, as rpc cache.dump writes them; - is
        standard input. An entry has a key, one of value, text and base64, and where they are
        wanted ttl_ms (null for no end), stale_ms, tags and namespace. namespace=NAME is for
        entries that name none. from=LINE goes on with that line, the first being 1. Of a dump
        that was interrupted it loads what is there, says so and ends with status 1.

        """

    /// Most entries of a batch, and of their bytes.
    private static let batchCount = 500
    private static let batchBytes = 1 << 20
    /// Most batches under way, and most entries that go one by one.
    private static let batchesMax = 4
    private static let singlesMax = 64
    /// How long one reply may take.
    private static let patience = Duration.seconds(60)

    /// Entries that are written with one call.
    private struct Batch {
        var namespace: [UInt8]?
        var lines: [Int] = []
        var entries: [UInt8] = []
        /// Whether it is one entry that is more than value and life.
        var isSingle = false

        var method: String { isSingle ? "cache.set" : "cache.set_many" }

        var params: JSONFragment? {
            var bytes = isSingle ? entries.dropLast() : [UInt8]("{\"entries\":[".utf8) + entries + [UInt8(ascii: "]")]
            if let namespace { bytes += [UInt8](",\"namespace\":".utf8) + namespace }
            return JSONFragment(bytes + [UInt8(ascii: "}")])
        }

        mutating func add(_ entry: [UInt8], line: Int) {
            if !entries.isEmpty { entries.append(UInt8(ascii: ",")) }
            entries += entry
            lines.append(line)
        }
    }

    private let invocation: Invocation
    private let console: Console
    private let connection: AgentConnection
    private let path: String
    private let namespace: [UInt8]?
    private let first: Int

    init(
        _ words: [String],
        _ invocation: Invocation,
        _ console: Console,
        _ connection: AgentConnection
    ) throws(CommandError) {
        self.invocation = invocation
        self.console = console
        self.connection = connection
        let options = try TransferOptions(words, method: "cache.load", names: ["namespace", "from"])
        guard let file = options.file else {
            throw .usage(
                "cache.load needs a file, or - for standard input",
                "rpc cache.load --help shows what it takes."
            )
        }
        path = file
        namespace = options["namespace"].map { [UInt8](JSONFragment(string: $0).bytes) }
        guard let first = Int(options["from"] ?? "1"), first >= 1 else {
            throw .usage("from takes the number of a line of at least 1, not '\(options["from"] ?? "")'")
        }
        self.first = first
    }

    /// Loads.
    ///
    /// - Throws: ``CommandError`` with the line at fault and how to go on.
    func run() throws(CommandError) -> ExitStatus {
        var reader = LineReader(try open(), name: path == "-" ? "standard input" : path)
        let client = try connection.open(until: .now.advanced(by: Call.connectLimit))
        var transfer = Transfer(self, client)
        do throws(CommandError) {
            while let line = try reader.next() {
                guard reader.line >= first, line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else { continue }
                try transfer.take(line, number: reader.line)
            }
            try transfer.finish()
        } catch {
            transfer.progress.finish()
            throw transfer.explain(error)
        }
        transfer.progress.finish()
        try console.write("{\"loaded\":\(transfer.progress.entries)}\n")
        guard transfer.dumps.isCut else { return .done }
        let error = CommandError(
            .errorReply,
            "\(path) holds a dump that is not complete: entries are missing from it",
            advice: ["The cache.dump that wrote it goes on where it was interrupted; load its file again then."]
        )
        console.complain(error.text)
        return error.status
    }

    private func open() throws(CommandError) -> FileDescriptor {
        if path == "-" {
            let number = dup(console.input)
            guard number >= 0 else { throw .usage("standard input cannot be read") }
            return FileDescriptor(owning: number)
        }
        do throws(SystemError) {
            return try FileDescriptor.open(path, flags: O_RDONLY)
        } catch {
            throw .usage("\(path) cannot be read: \(error.reason)")
        }
    }

    /// The work under way.
    private struct Transfer {
        private let load: CacheLoad
        private let client: RPCClient
        private var batch = Batch()
        private var sent: [(id: Int64, batch: Batch)] = []
        var progress: Progress
        /// Whether the dumps of the file are complete.
        private(set) var dumps = DumpCompleteness()
        /// All lines up to this one are loaded.
        private var loadedLine: Int

        init(_ load: CacheLoad, _ client: RPCClient) {
            self.load = load
            self.client = client
            progress = Progress(load.console)
            loadedLine = load.first - 1
        }

        mutating func take(_ line: [UInt8], number: Int) throws(CommandError) {
            let content: EntryLine.Content
            do throws(EntryLine.Fault) {
                content = try EntryLine.read(line)
            } catch {
                // What stands before the faulty line is loaded all the same, so that from= says the truth.
                try finish()
                throw CommandError.usage("\(load.path): line \(number) \(error.reason)")
            }
            guard case .entry(let own, let entry, let hasMore) = content else {
                if case .checkpoint(let checkpoint) = content { dumps.take(checkpoint) }
                return
            }
            let namespace = own ?? load.namespace
            let isFull =
                hasMore || batch.isSingle || batch.lines.count >= CacheLoad.batchCount
                || batch.entries.count + entry.count > CacheLoad.batchBytes
            if !batch.lines.isEmpty, isFull || namespace != batch.namespace { try send() }
            batch.namespace = namespace
            batch.isSingle = hasMore
            batch.add(entry, line: number)
        }

        mutating func finish() throws(CommandError) {
            if !batch.lines.isEmpty { try send() }
            while !sent.isEmpty { try awaitFirst() }
        }

        private mutating func send() throws(CommandError) {
            let most = batch.isSingle ? CacheLoad.singlesMax : CacheLoad.batchesMax
            let bytesMax = CacheLoad.batchesMax * CacheLoad.batchBytes
            // What takes more than one step may be overtaken by what follows, which may be the same entry.
            while let last = sent.last,
                last.batch.isSingle != batch.isSingle || sent.count >= most
                    || sent.reduce(batch.entries.count, { $0 + $1.batch.entries.count }) > bytesMax
            {
                try awaitFirst()
            }
            sent.append((client.send(batch.method, params: batch.params), batch))
            batch = Batch()
        }

        private mutating func awaitFirst() throws(CommandError) {
            let (id, batch) = sent.removeFirst()
            let reply: RPCMessage
            do throws(RPCClientError) {
                let patience = load.invocation.timeout ?? CacheLoad.patience
                reply = try client.reply(to: id, until: .now.advanced(by: patience))
            } catch {
                throw CommandError(error, calling: batch.method)
            }
            if let error = reply.error { throw refusal(error, batch) }
            progress.add(entries: batch.lines.count, bytes: batch.entries.count)
            loadedLine = batch.lines.last ?? loadedLine
        }

        /// The agent's error, with the line that it speaks of, where it names one.
        private func refusal(_ error: RPCErrorReply, _ batch: Batch) -> CommandError {
            let explained = ErrorExplanation.explain(error, method: batch.method)
            let place: String
            if let index = CacheLoad.index(error.data?["param"]?.string), batch.lines.indices.contains(index) {
                place = "line \(batch.lines[index])"
            } else if batch.lines.count == 1 {
                place = "line \(batch.lines[0])"
            } else {
                place = "lines \(batch.lines.first ?? 0) to \(batch.lines.last ?? 0)"
            }
            return CommandError(
                explained.status,
                "\(load.path): \(place): \(explained.message)",
                advice: explained.advice
            )
        }

        /// The error with how to go on.
        func explain(_ error: CommandError) -> CommandError {
            var advice = ["\(progress.entries) entries are loaded."]
            if loadedLine >= load.first { advice.append("from=\(loadedLine + 1) goes on behind them.") }
            return CommandError(error.status, error.message, advice: error.advice + advice)
        }
    }

    /// The index in `entries[3].key`.
    private static func index(_ parameter: String?) -> Int? {
        guard let parameter, parameter.hasPrefix("entries["), let end = parameter.firstIndex(of: "]") else {
            return nil
        }
        return Int(parameter[parameter.index(parameter.startIndex, offsetBy: 8)..<end])
    }
}
