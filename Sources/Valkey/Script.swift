public import Bytes
import Crypto
public import EventLoop

/// A Lua script that runs inside Valkey, atomically, on keys of one slot.
///
/// It is called by its SHA-1 (`EVALSHA`). A server that does not know it, because it is new or was told to forget, says
/// `NOSCRIPT` before anything ran; the pipeline then loads the script and sends the same call again.
@EventLoop
public final class Script {
    /// The source.
    let source: String
    /// SHA-1 of the source in hexadecimal, as Valkey computes it.
    ///
    /// Made at the first use: an idle agent does without the memory that OpenSSL takes when it is first called.
    private(set) lazy var digest = source.withByteView { Digest.sha1Hexadecimal($0) }

    /// Names a script by its source.
    public init(_ source: String) {
        self.source = source
    }
}

extension ByteBuffer {
    /// Appends the head of a call of `script`: the keys, then the other arguments, are to follow as words.
    ///
    /// - Parameters:
    ///   - script: The script.
    ///   - keys: Number of keys.
    ///   - arguments: Number of other arguments.
    @EventLoop
    public mutating func append(callOf script: Script, keys: Int, arguments: Int) {
        append(commandOf: 3 + keys + arguments)
        append(word: "EVALSHA")
        script.digest.withByteView { append(word: $0) }
        append(word: Int64(keys))
    }

    /// Appends the command that makes a script known to the server.
    @EventLoop
    public mutating func append(loadOf script: Script) {
        append(commandOf: 3)
        append(word: "SCRIPT")
        append(word: "LOAD")
        append(word: script.source)
    }
}
