/// What `rpc --help` and the manual page say about the command as a whole.
public enum CommandUsage {
    /// What the command is.
    public static let summary = "calls the Squire agent of this host"

    /// The usage of a call.
    public static let callUsage = "[options] METHOD [name=value …]"

    /// Calls to try.
    public static let examples = [
        "rpc agent.ping",
        #"rpc cache.set key=user:42 value='{"name":"Ada"}' ttl_ms=5m"#,
        "rpc cache.get key=user:42 --field value.name --raw",
        "rpc channel.subscribe channel=orders --count 1 --for 5s",
        "rpc topic.subscribe topic=orders group=mail --exec 'jq .address | ./send-mail'",
    ]

    /// The forms of a parameter, each with what it means.
    public static let parameters: [(form: String, meaning: String)] = [
        (
            "name=value",
            "text, turned into what the parameter takes: a string as it is, a number, true, false, null, JSON; 60s, 5m "
                + "or 250ms where the name ends in _ms; 64KiB where it ends in _bytes"
        ),
        ("name:=JSON", "JSON as it is"),
        ("name=@FILE", "the content of a file, name=- of standard input; name:=@FILE and name:=- as JSON"),
    ]

    /// What the command of `--exec` finds in its environment: a member of the message, the variable that says the same
    /// where the message has it, and what it is.
    public static let messageVariables: [(member: String, variable: String, meaning: String)] = [
        ("id", "SQUIRE_MESSAGE_ID", "the message's id, of a topic"),
        ("deliveries", "SQUIRE_DELIVERIES", "how often the message was delivered by now, of a topic"),
        ("order_key", "SQUIRE_ORDER_KEY", "the message's order key, of a topic"),
        ("channel", "SQUIRE_CHANNEL", "the channel that the message came over, of a channel or a pattern"),
    ]

    /// The variable with the fence under which a command of `lock.exec` or `leader.exec` runs.
    public static let fenceVariable = "SQUIRE_FENCE"

    /// What to know of every call: a paragraph each.
    public static let notes = [
        "Each call has a connection of its own, and what belongs to a connection ends with it: a lock that lock.acquire "
            + "gets is released at once. lock.exec holds one while a command runs, bind=none makes one that lasts, and "
            + "rpc - carries many calls over one connection.",
        "Words are UTF-8 and anything else is refused; the command behind -- gets its words byte for byte.",
    ]
}
