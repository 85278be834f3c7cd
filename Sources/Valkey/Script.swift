public import Bytes
import Crypto

/// A Lua script that runs inside Valkey, atomically, on keys of one slot.
///
/// It is called by its SHA-1 (`EVALSHA`). A server that does not know it, because it is new or was told to forget, says
/// `NOSCRIPT` before anything ran; the pipeline then loads the script and sends the same call again.
public final class Script: Sendable {
    /// The source.
    let source: StaticString
    /// SHA-1 of the source in hexadecimal, as Valkey computes it.
    let digest: [UInt8]

    /// Names a script by its source.
    public init(_ source: StaticString) {
        self.source = source
        digest = Digest.sha1Hexadecimal(ByteView(source))
    }
}

extension ByteBuffer {
    /// Appends the head of a call of `script`: the keys, then the other arguments, are to follow as words.
    ///
    /// - Parameters:
    ///   - script: The script.
    ///   - keys: Number of keys.
    ///   - arguments: Number of other arguments.
    public mutating func append(callOf script: Script, keys: Int, arguments: Int) {
        append(commandOf: 3 + keys + arguments)
        append(word: "EVALSHA")
        script.digest.withByteView { append(word: $0) }
        append(word: Int64(keys))
    }
}
