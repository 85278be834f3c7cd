import Testing

/// A call whose way to Valkey and back is cut at every byte.
struct ResetCall: CustomTestStringConvertible, Sendable {
    /// What a cut may make of it.
    enum Effect: Sendable {
        /// Sent again, so it always has a result.
        case repeated
        /// Never sent again, so its outcome may be unknown.
        case once
    }

    /// Its method.
    let method: String
    /// Its parameters.
    let params: String
    /// Calls that are made before each attempt, so that each finds the same.
    var before: [(method: String, params: String)] = []
    /// What a cut may make of it.
    var effect = Effect.repeated
    /// The results that it may have; more than one where the first of two copies may have taken effect.
    let results: [String]
    /// A read that shows whether it took effect.
    var probe: (method: String, params: String)?
    /// What the read finds where it did, and only then.
    var after = ""
    /// What the read finds where it did not.
    var untouched = ""

    var testDescription: String { "\(method) \(params)" }

    /// Calls of each kind that the agent makes of one or several commands.
    static let all: [ResetCall] =
        quick + [
            ResetCall(
                method: "cache.get",
                params: #"{"key":"entry","with_ttl":true}"#,
                before: [entry],
                results: [#"{"hit":true,"value":{"name":"Ada"},"source":"valkey","ttl_ms":null}"#]
            ),
            ResetCall(method: "cache.get", params: #"{"key":"missing"}"#, results: [#"{"hit":false}"#]),
            ResetCall(
                method: "cache.get_many",
                params: #"{"keys":["entry","missing","entry"]}"#,
                before: [entry],
                results: [#"{"entries":[\#(hit),{"hit":false},\#(hit)]}"#]
            ),
            ResetCall(
                method: "cache.exists",
                params: #"{"key":"entry"}"#,
                before: [entry],
                results: [#"{"exists":true}"#]
            ),
            ResetCall(
                method: "cache.touch",
                params: #"{"key":"entry","ttl_ms":null}"#,
                before: [entry],
                results: [#"{"found":true}"#]
            ),
            ResetCall(
                method: "cache.delete",
                params: #"{"key":"entry"}"#,
                before: [entry],
                results: [#"{"deleted":1}"#, #"{"deleted":0}"#],
                probe: ("cache.exists", #"{"key":"entry"}"#),
                after: #"{"exists":false}"#
            ),
            ResetCall(
                method: "cache.set_many",
                params: #"{"entries":[{"key":"entry","value":1},{"key":"other","text":"plain","ttl_ms":60000}]}"#,
                results: [#"{"stored":2}"#],
                probe: ("cache.get", #"{"key":"other"}"#),
                after: #"{"hit":true,"text":"plain","source":"valkey"}"#
            ),
            ResetCall(
                method: "cache.set",
                params: #"{"key":"fresh","value":1,"condition":"absent"}"#,
                before: [("cache.delete", #"{"key":"fresh"}"#)],
                effect: .once,
                results: [#"{"stored":true}"#],
                probe: ("cache.exists", #"{"key":"fresh"}"#),
                after: #"{"exists":true}"#,
                untouched: #"{"exists":false}"#
            ),
            ResetCall(
                method: "cache.set",
                params: #"{"key":"bytes","base64":"AAECAwD/DQo="}"#,
                results: [#"{"stored":true}"#],
                probe: ("cache.get", #"{"key":"bytes"}"#),
                after: #"{"hit":true,"base64":"AAECAwD/DQo=","source":"valkey"}"#
            ),
            ResetCall(
                method: "cache.increment",
                params: #"{"key":"count","by":2,"ttl_ms":60000}"#,
                before: [("cache.set", #"{"key":"count","value":5}"#)],
                effect: .once,
                results: [#"{"value":7}"#],
                probe: ("cache.get", #"{"key":"count"}"#),
                after: #"{"hit":true,"value":7,"source":"valkey"}"#,
                untouched: #"{"hit":true,"value":5,"source":"valkey"}"#
            ),
            ResetCall(
                method: "cache.keys",
                params: #"{"namespace":"listed","pattern":"*"}"#,
                before: [("cache.set", #"{"key":"only","namespace":"listed","value":1}"#)],
                results: [#"{"keys":["only"],"cursor":null}"#]
            ),
            ResetCall(
                method: "cache.invalidate",
                params: #"{"namespace":"listed"}"#,
                before: [("cache.set", #"{"key":"only","namespace":"listed","value":1}"#)],
                results: [#"{"invalidated":1}"#, #"{"invalidated":0}"#],
                probe: ("cache.exists", #"{"key":"only","namespace":"listed"}"#),
                after: #"{"exists":false}"#
            ),
            ResetCall(
                method: "hash.set",
                params: #"{"key":"person","fields":{"name":"Grace","born":1906}}"#,
                before: [("hash.delete", #"{"key":"person","fields":["name","born"]}"#)],
                results: [#"{"added":2}"#, #"{"added":0}"#],
                probe: ("hash.get", #"{"key":"person","field":"born"}"#),
                after: #"{"found":true,"value":1906}"#
            ),
            ResetCall(
                method: "hash.get",
                params: #"{"key":"person","field":"name"}"#,
                before: [person],
                results: [#"{"found":true,"value":"Ada"}"#]
            ),
            ResetCall(
                method: "hash.delete",
                params: #"{"key":"person","fields":["name"]}"#,
                before: [person],
                results: [#"{"deleted":1}"#, #"{"deleted":0}"#],
                probe: ("hash.get", #"{"key":"person","field":"name"}"#),
                after: #"{"found":false}"#
            ),
            ResetCall(
                method: "hash.increment",
                params: #"{"key":"person","field":"visits","by":-1}"#,
                before: [person],
                effect: .once,
                results: [#"{"value":2}"#],
                probe: ("hash.get", #"{"key":"person","field":"visits"}"#),
                after: #"{"found":true,"value":2}"#,
                untouched: #"{"found":true,"value":3}"#
            ),
        ]

    /// One of each way that a call can go: written, read, written once, read as a list.
    static let quick: [ResetCall] = [
        ResetCall(
            method: "cache.set",
            params: #"{"key":"entry","value":[1,"two",null],"ttl_ms":60000}"#,
            before: [entry],
            results: [#"{"stored":true}"#],
            probe: ("cache.get", #"{"key":"entry"}"#),
            after: #"{"hit":true,"value":[1,"two",null],"source":"valkey"}"#
        ),
        ResetCall(method: "cache.get", params: #"{"key":"entry"}"#, before: [entry], results: [hit]),
        ResetCall(
            method: "cache.increment",
            params: #"{"key":"count","ttl_ms":null}"#,
            before: [("cache.set", #"{"key":"count","value":41}"#)],
            effect: .once,
            results: [#"{"value":42}"#],
            probe: ("cache.get", #"{"key":"count"}"#),
            after: #"{"hit":true,"value":42,"source":"valkey"}"#,
            untouched: #"{"hit":true,"value":41,"source":"valkey"}"#
        ),
        ResetCall(
            method: "hash.get_all",
            params: #"{"key":"person"}"#,
            before: [person],
            results: [#"{"found":true,"fields":{"name":"Ada","visits":3}}"#]
        ),
    ]

    private static let entry = ("cache.set", #"{"key":"entry","value":{"name":"Ada"},"ttl_ms":null}"#)
    private static let hit = #"{"hit":true,"value":{"name":"Ada"},"source":"valkey"}"#
    private static let person = ("hash.set", #"{"key":"person","fields":{"name":"Ada","visits":3}}"#)
}
