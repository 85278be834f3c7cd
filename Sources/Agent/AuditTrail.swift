import Audit
import Bytes
import Configuration
import Contract
import Crypto
import EventLoop
import JSON
import JSONRPC
import Linux
import Observability
import Policy
import Sessions
import Store

/// Records of who did what, for whoever has to answer for it.
@EventLoop
final class AuditTrail {
    /// Name of the key in the state directory that a chain begins with, where none is configured.
    nonisolated static let keyName = "audit.key"
    /// Name of the credential of systemd that is this key.
    nonisolated private static let credential = "audit-key"
    nonisolated private static let stateName = "audit.state"

    /// Methods whose calls are recorded when they are allowed too.
    private(set) var methods = MethodSet()
    /// Whether changes of policy and configuration are recorded.
    private var recordsPolicy = false
    private var refusesWhenFull = false
    private let writer: AuditWriter?
    private let hasher = SHA256()

    /// Records by way of `writer`; nil where no file is configured.
    init(_ writer: AuditWriter?, _ configuration: Configuration.Audit) {
        self.writer = writer
        adopt(configuration)
        writer?.start()
    }

    /// Opens the file and its chain, where one is configured.
    nonisolated static func open(
        _ configuration: Configuration,
        environment: ProcessEnvironment,
        log: Log
    ) throws(AuditWriter.Fault) -> AuditWriter? {
        guard let path = configuration.audit.file, let directory = configuration.stateDirectory else { return nil }
        let own = "\(directory)/\(AuditTrail.keyName)"
        let given = configuration.audit.keyFile ?? AuditTrail.credentialPath(environment)
        return try AuditWriter(path: path, statePath: "\(directory)/\(AuditTrail.stateName)", log: log) {
            () throws(AuditKey.Fault) in
            if let given { return try AuditKey.read(given) }
            let (key, isNew) = try AuditKey.readOrMake(own)
            if isNew {
                log.warning("an audit chain begins; keep its key on another host and remove it here", ["key": own])
            }
            return key
        }
    }

    nonisolated private static func credentialPath(_ environment: ProcessEnvironment) -> String? {
        guard let directory = environment["CREDENTIALS_DIRECTORY"] else { return nil }
        let path = "\(directory)/\(credential)"
        return FileSystem.exists(path) ? path : nil
    }

    /// Has other classes be recorded; the file itself is opened again, as it may have been rotated.
    func adopt(_ configuration: Configuration.Audit) {
        guard writer != nil else { return }
        let classes = Set(configuration.classes)
        methods = MethodSet()
        for method in Method.allCases where AuditTrail.isRecorded(method, classes) {
            methods.insert(Int(method.rawValue))
        }
        recordsPolicy = classes.contains("policy") || classes.contains("all")
        refusesWhenFull = configuration.whenFull == "refuse"
    }

    /// Opens the file again.
    func reopen() {
        writer?.reopen()
    }

    private static func isRecorded(_ method: Method, _ classes: Set<String>) -> Bool {
        if classes.contains("all") { return true }
        if classes.contains("operators"), method.isOperator || !method.operatorParameters.isEmpty { return true }
        switch method.group.rawValue {
        case "session": return classes.contains("sessions")
        case "cache", "hash", "response": return classes.contains("cache")
        case "channel", "topic": return classes.contains("channels")
        case "lock", "semaphore", "leader": return classes.contains("locks")
        default: return false
        }
    }

    /// Whether a call that must be recorded can be; where it cannot, it is refused.
    ///
    /// What is known of a call that runs is kept in any case, so there is room for the record of each that was let run:
    /// see ``end(_:error:)``.
    ///
    /// - Throws: `unavailable`.
    func checkRoom() throws(RPCError) {
        guard refusesWhenFull, let status = writer?.status, status.isFull || status.fault != nil else { return }
        throw RPCError(
            .unavailable,
            "the call must be recorded and the audit file cannot be written; the operator has to make room for it",
            retryAfterMilliseconds: 1000,
            outcome: .notApplied
        )
    }

    /// Counts of the writer, for `agent.stats`; nil without a file.
    var status: AuditWriter.Status? { writer?.status }

    /// Records something that the agent itself did, such as its start.
    ///
    /// - Parameters:
    ///   - event: What it was.
    ///   - isOfPolicy: Whether it is recorded only where changes of policy are.
    ///   - members: Further members: names and texts.
    func record(_ event: StaticString, isOfPolicy: Bool = false, _ members: KeyValuePairs<StaticString, String> = [:]) {
        guard let writer, recordsPolicy || !isOfPolicy else { return }
        var record = ByteBuffer()
        AuditTrail.begin(&record, event)
        for (name, value) in members {
            record.append(",\"")
            record.append(name)
            record.append("\":")
            record.append(jsonString: value)
        }
        writer.append(record.view)
    }

    /// Records how many calls of a caller were refused behind one of which there is a record of its own.
    ///
    /// - Parameters:
    ///   - count: How many.
    ///   - outcome: The kind of the errors that they ended with.
    ///   - userID: The caller.
    func recordRefused(_ count: Int, _ outcome: StaticString, _ userID: UInt32) {
        guard let writer else { return }
        var record = ByteBuffer()
        AuditTrail.begin(&record, "refused")
        record.append(",\"uid\":")
        record.append(decimal: UInt64(userID))
        record.append(",\"outcome\":\"")
        record.append(outcome)
        record.append("\",\"calls\":")
        record.append(decimal: count)
        writer.append(record.view)
    }

    /// Begins the record of a call; nil where nothing is recorded at all.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - arguments: The call's parameters.
    ///   - peer: Its connection.
    ///   - access: Who calls.
    ///   - isRefused: Whether it does not run.
    /// - Returns: What ``end(_:error:)`` ends.
    func begin(
        _ method: Method,
        _ arguments: Arguments,
        _ peer: Peer,
        _ access: Access,
        isRefused: Bool = false
    ) -> PendingRecord? {
        guard let writer else { return nil }
        var record = ByteBuffer()
        AuditTrail.begin(&record, "call")
        record.append(",\"method\":\"")
        record.append(method.name)
        record.append("\",\"uid\":")
        record.append(decimal: UInt64(access.caller.userID))
        record.append(",\"socket\":")
        record.append(jsonString: access.caller.socket)
        record.append(",\"connection\":")
        record.append(decimal: peer.index)
        if let namespace = Scope(method, arguments).namespace {
            record.append(",\"namespace\":")
            record.append(jsonString: String(decoding: namespace.utf8.prefix(64), as: UTF8.self))
        }
        if let object = AuditedObject.name(method, arguments, hasher) {
            record.append(",\"object\":\"")
            record.append(text: object.withByteView { writer.pseudonym(of: $0) })
            record.append(UInt8(ascii: "\""))
        }
        if let trace = (try? CallMetadata(arguments))?.traceparent {
            record.append(",\"traceparent\":")
            record.append(jsonString: trace.decoded())
        }
        let isPromised = refusesWhenFull && !isRefused
        return PendingRecord(begun: EventLoop.reactor.now, text: record.view.copy(), isPromised: isPromised)
    }

    /// Ends the record of a call and hands it over.
    func end(_ pending: PendingRecord, error: RPCError?) {
        var record = ByteBuffer()
        record.append(pending.text)
        record.append(",\"outcome\":\"")
        record.append(error?.kind ?? "ok")
        record.append("\",\"duration_us\":")
        record.append(decimal: max(0, EventLoop.reactor.now.nanoseconds(since: pending.begun) / 1000))
        writer?.append(record.view, isPromised: pending.isPromised)
    }

    /// Writes what waits, at the end of the agent.
    func stop() async {
        guard let writer else { return }
        record("stop")
        await BlockingWork.run { writer.stop(within: .seconds(2)) }
    }

    private static func begin(_ record: inout ByteBuffer, _ event: StaticString) {
        record.append("\"time\":\"")
        record.append(text: CalendarTime.text(WallClock.milliseconds))
        record.append("\",\"event\":\"")
        record.append(event)
        record.append(UInt8(ascii: "\""))
    }
}

/// What is known of a call when it begins.
struct PendingRecord {
    /// When it began.
    let begun: Instant
    /// Members of its record, as far as they are known.
    let text: [UInt8]
    /// Whether it was let run because it can be recorded.
    let isPromised: Bool
}

/// The object that a call is about, such as a key or a token.
private enum AuditedObject {
    /// Parameters that name an object, the most telling first.
    private static let parameters: [StaticString] = [
        "key", "token", "handle", "subject", "channel", "topic", "name", "election", "lease", "subscription", "keys",
        "pattern", "queue", "job", "schedule", "series", "fingerprint", "store",
    ]

    /// The object's name, however the call writes it; nil where it has none.
    ///
    /// A session's token has the name of its handle, so that one finds what happened to a session by either.
    static func name(_ method: Method, _ arguments: Arguments, _ hasher: SHA256) -> [UInt8]? {
        let names = method.parameterNames
        for parameter in parameters {
            guard let position = names.firstIndex(where: { ByteView($0).equals(parameter) }) else { continue }
            for index in 0..<arguments.count {
                let argument = arguments[index]
                let isIt = arguments.form == .named ? argument.name.equals(parameter) : index == position
                guard isIt else { continue }
                let name = name(argument.value)
                let isToken = method.group == .session && ByteView(parameter).equals("token")
                return isToken ? name.withByteView { SessionToken.handle(of: $0, hasher) } ?? name : name
            }
        }
        return nil
    }

    private static func name(_ value: JSONValue) -> [UInt8] {
        if let string = value.string { return Array(string.decoded().utf8) }
        var name = ByteBuffer()
        guard value.kind == .array else {
            name.append(jsonText: value.text)
            return name.view.copy()
        }
        // Lists of names, as the shortest JSON that they can be.
        var elements = value.elements()
        name.append(UInt8(ascii: "["))
        while let element = elements.next() {
            if name.count > 1 { name.append(UInt8(ascii: ",")) }
            if let string = element.string {
                name.append(jsonString: string.decoded())
            } else {
                name.append(jsonText: element.text)
            }
        }
        name.append(UInt8(ascii: "]"))
        return name.view.copy()
    }
}
