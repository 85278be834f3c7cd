import JSON
import Linux

extension Option {
    /// On which sockets clients are served.
    static let listening: [Option] = [
        Option(
            "socket.path",
            \.socket.path,
            .absolutePath(bytesMax: Socket.pathBytesMax),
            flag: .socket,
            variables: [Variable("SQUIRE_SOCKET")],
            defaultRule: "`/run/squire/squire.sock` as root or under systemd, else `squire/squire.sock` in "
                + "`$XDG_RUNTIME_DIR`, else `/tmp/squire-<uid>/squire.sock`",
            "The Unix socket on which clients are served."
        ),
        Option(
            "socket.mode",
            \.socket.mode,
            .mode,
            defaultRule: "`0660` as root, else `0600`",
            "Permissions of the socket: who may write to it may connect."
        ),
        Option(
            "socket.group",
            \.socket.group,
            OptionKind.group.optional,
            defaultRule: "the agent's own group",
            "The group of the socket's file: with mode `0660` its members may connect, and the standard policy lets them "
                + "call everything but the methods of operators."
        ),
        Option(
            "sockets",
            \.sockets,
            .sockets,
            "Further sockets, such as one for each tenant: objects with `name`, `path` and, unlike those of the main one "
                + "named `main`, `mode` and `group`. Rules of the policy can speak of a socket by its name."
        ),
    ]

    /// Who is served.
    static let policy: [Option] = [
        Option(
            "policy.file",
            \.policy.file,
            OptionKind.absolutePath(bytesMax: 4095).optional,
            defaultRule:
                "the standard policy: root, the agent's user and the socket's group may call everything but the "
                + "methods of operators",
            "Who may call what; only root or the agent's user may be able to write to it. Read again on SIGHUP."
        )
    ]
}

extension OptionKind where Value == String {
    /// A group: its name or its number.
    static var group: OptionKind {
        var schema = DocumentObject([("type", "string")])
        schema["pattern"] = "^[A-Za-z0-9_][A-Za-z0-9_.$-]{0,63}$"
        return OptionKind(
            expectation: "the name of a group or its number, as a text",
            schema: schema,
            decode: { (document) throws(Refusal) in
                guard let text = document.string, (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isPlain)
                else { throw Refusal() }
                return text
            },
            encode: { .string($0) }
        )
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "_.$-".utf8.contains(byte)
        }
    }
}

extension OptionKind where Value == [Configuration.TenantSocket] {
    /// Most sockets besides the main one.
    private static var countMax: Int { 64 }

    /// Sockets besides the main one.
    static var sockets: OptionKind {
        OptionKind(
            expectation:
                "an array of at most \(countMax) sockets: objects with name, path, mode and group, no name or path"
                + " twice",
            schema: DocumentObject([
                ("type", "array"), ("maxItems", .integer(Int64(countMax))),
                (
                    "items",
                    [
                        "type": "object", "additionalProperties": false, "required": ["name", "path"],
                        "properties": [
                            "name": [
                                "description": "By which rules of the policy speak of it.", "type": "string",
                                "pattern": "^[a-z0-9_.-]{1,64}$",
                            ],
                            "path": .object(OptionKind<String>.absolutePath(bytesMax: Socket.pathBytesMax).schema),
                            "mode": .object(OptionKind<UInt32>.mode.schema),
                            "group": .object(OptionKind<String>.group.schema),
                        ],
                    ]
                ),
            ]),
            listForm: "as JSON",
            decode: { (document) throws(Refusal) in
                // A variable gives a text.
                let listed = document.string.flatMap { try? Document.parse($0) }
                guard let elements = (listed ?? document).array, elements.count <= countMax else { throw Refusal() }
                var sockets: [Configuration.TenantSocket] = []
                for element in elements {
                    let socket = try socket(element)
                    if sockets.contains(where: { $0.name == socket.name || $0.path == socket.path }) { throw Refusal() }
                    sockets.append(socket)
                }
                return sockets
            },
            encode: { .array($0.map(document)) }
        )
    }

    private static func socket(_ document: Document) throws(Refusal) -> Configuration.TenantSocket {
        guard let members = document.object, let name = members["name"]?.string,
            members.names.allSatisfy({ ["name", "path", "mode", "group"].contains($0) }),
            (1...64).contains(name.utf8.count), name != "main", let path = members["path"],
            name.utf8.allSatisfy({ (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || "_.-".utf8.contains($0) }
            )
        else { throw Refusal() }
        return Configuration.TenantSocket(
            name: name,
            path: try OptionKind<String>.absolutePath(bytesMax: Socket.pathBytesMax).decode(path),
            mode: try members["mode"].map { (mode) throws(Refusal) in try OptionKind<UInt32>.mode.decode(mode) }
                ?? 0o660,
            group: try members["group"].map { (group) throws(Refusal) in try OptionKind<String>.group.decode(group) }
        )
    }

    private static func document(_ socket: Configuration.TenantSocket) -> Document {
        var members = DocumentObject([
            ("name", .string(socket.name)), ("path", .string(socket.path)),
            ("mode", OptionKind<UInt32>.mode.encode(socket.mode)),
        ])
        members["group"] = socket.group.map { .string($0) }
        return .object(members)
    }
}
