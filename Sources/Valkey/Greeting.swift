import Bytes
import Linux

/// What is said on a new connection before any command: who we are, which database, what time it is, and whether the
/// server is ready.
///
/// Pure: it writes the words and judges the replies.
struct Greeting {
    /// What a server said of itself.
    struct Server: Equatable {
        var name = ""
        var version = ""
        var mode = "standalone"
        var role = ""
        /// How the connection is secured: `TLSv1.3`, `TLSv1.3 resumed` or `plain`.
        var transport = "plain"
        /// What its clock showed, Unix time; nil where it did not say.
        var microseconds: Int64?
        /// When it was greeted.
        var greeted = Instant(nanoseconds: 0)
    }

    /// What to do after a reply.
    enum Step: Equatable {
        /// More replies are due.
        case more
        /// The connection is ready.
        case ready(Server)
        /// The server is there but will not serve us; the reason is for the operator.
        case refused(String)
    }

    private enum Question: Equatable {
        case hello
        case select
        case script
        case time
        case ping
    }

    private let endpoint: Endpoint
    private let clientName: String
    private let scripts: [String]
    private var questions: [Question]
    private var server = Server()

    /// Prepares a greeting that also loads `scripts`, so that the first call of each runs in its place.
    init(endpoint: Endpoint, clientName: String, scripts: [String] = [], at instant: Instant = .now) {
        self.endpoint = endpoint
        self.clientName = clientName
        self.scripts = scripts
        server.greeted = instant
        questions = [.hello] + (endpoint.database == 0 ? [] : [.select])
        questions += scripts.map { _ in .script } + [.time, .ping]
    }

    /// Appends all that is to be sent.
    func append(to buffer: inout ByteBuffer) {
        let credentials = endpoint.password != nil
        buffer.append(commandOf: credentials ? 7 : 4)
        buffer.append(word: "HELLO")
        buffer.append(word: "2")
        if let password = endpoint.password {
            buffer.append(word: "AUTH")
            buffer.append(word: endpoint.user ?? "default")
            buffer.append(word: password)
        }
        buffer.append(word: "SETNAME")
        buffer.append(word: clientName)
        if endpoint.database != 0 {
            buffer.append(commandOf: 2)
            buffer.append(word: "SELECT")
            buffer.append(word: Int64(endpoint.database))
        }
        for script in scripts {
            buffer.append(commandOf: 3)
            buffer.append(word: "SCRIPT")
            buffer.append(word: "LOAD")
            buffer.append(word: script)
        }
        buffer.append(command: "TIME")
        buffer.append(command: "PING")
    }

    /// Judges the next reply.
    mutating func received(_ reply: Reply) -> Step {
        let question = questions.removeFirst()
        if question == .time {
            // A server that keeps the time to itself is no reason to do without it.
            server.microseconds = reply.microseconds
            return .more
        }
        // A server that does not load a script is asked again when it is called; the PING behind says what is wrong.
        if reply.kind == .error, question != .script { return .refused(explain(reply, question)) }
        if question == .hello { readHello(reply) }
        return questions.isEmpty ? .ready(server) : .more
    }

    private mutating func readHello(_ reply: Reply) {
        var elements = reply.elements()
        while let name = elements.next(), let value = elements.next() {
            switch name.bytes.text() {
            case "server": server.name = value.bytes.text()
            case "version": server.version = value.bytes.text()
            case "mode": server.mode = value.bytes.text()
            case "role": server.role = value.bytes.text()
            default: break
            }
        }
    }

    private var userName: String { endpoint.user ?? "default" }

    /// The operator's words for a refusal: what to change, never the password.
    private func explain(_ reply: Reply, _ question: Question) -> String {
        switch reply.errorWord {
        case "NOAUTH":
            "it asks for a password: set valkey.password_file (and valkey.user), or put them into the URL"
        case "WRONGPASS":
            "it refused the password of user \(userName): check valkey.password_file or the URL, and that the server's "
                + "ACL has that user, on"
        case "NOPERM":
            "user \(userName) lacks a permission that the agent needs; config/valkey.acl has them all: "
                + reply.bytes.text()
        case "LOADING":
            "it is loading its data"
        default:
            question == .select
                ? "it refused database \(endpoint.database): \(reply.bytes.text())"
                : "it refused the greeting: \(reply.bytes.text())"
        }
    }
}
