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
        var mode = ""
        var role = ""
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
        case time
        case ping
    }

    private let endpoint: Endpoint
    private let clientName: String
    private var questions: [Question]
    private var server = Server()

    init(endpoint: Endpoint, clientName: String, at instant: Instant = .now) {
        self.endpoint = endpoint
        self.clientName = clientName
        server.greeted = instant
        questions = endpoint.database == 0 ? [.hello, .time, .ping] : [.hello, .select, .time, .ping]
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
        if reply.kind == .error { return .refused(explain(reply, question)) }
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

    /// The operator's words for a refusal: what to change, never the password.
    private func explain(_ reply: Reply, _ question: Question) -> String {
        switch reply.errorWord {
        case "NOAUTH":
            "it asks for a password: put user and password into the URL"
        case "WRONGPASS":
            "it refused user \(endpoint.user ?? "default"): check the password in the URL and the user's ACL"
        case "NOPERM":
            "user \(endpoint.user ?? "default") lacks a permission that the agent needs: \(reply.bytes.text())"
        case "LOADING":
            "it is loading its data"
        default:
            question == .select
                ? "it refused database \(endpoint.database): \(reply.bytes.text())"
                : "it refused the greeting: \(reply.bytes.text())"
        }
    }
}
