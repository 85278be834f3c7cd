public import Bytes
import Crypto
public import EventLoop
public import JSON
public import JSONRPC
import Valkey

/// A call whose first outcome is remembered, so that repeating it has no second effect.
///
/// The record lies beside the key that the call is about, in the same slot and store, and is written by the script that
/// has the effect: either both happened or neither. It is named after the caller's user id, the method, the key and the
/// request, and holds a digest of the parameters and the outcome for ten minutes. A refusal before execution leaves no
/// record.
@EventLoop
public struct RememberedRequest {
    /// How long an outcome is remembered, in milliseconds.
    public static let lifeMilliseconds: Int64 = 600_000
    /// The error by which a script says that the same request came with other parameters.
    public nonisolated static let mismatch: StaticString = "SQUIREMISMATCH"

    /// Lua that returns what is remembered; KEYS[2] is the record, where there is one, ARGV[1] the digest.
    public static let luaRecall = luaRecall(record: "KEYS[2]")

    /// Lua that remembers the string `outcome`; ARGV[2] is the record's life in milliseconds.
    public static let luaRemember = luaRemember(record: "KEYS[2]")

    /// Lua that returns what is remembered; ARGV[1] is the digest.
    ///
    /// - Parameter record: A Lua expression: the record's name, or nil where there is none.
    /// - Returns: The source.
    public static func luaRecall(record: String) -> String {
        """
        if \(record) then
          local known = redis.call('GET', \(record))
          if known then
            if string.sub(known, 1, 40) ~= ARGV[1] then
              return redis.error_reply('SQUIREMISMATCH the request was made with other parameters')
            end
            return string.sub(known, 42)
          end
        end
        """
    }

    /// Lua that remembers the string `outcome`; ARGV[2] is the record's life in milliseconds.
    ///
    /// - Parameter record: As of ``luaRecall(record:)``.
    /// - Returns: The source.
    public static func luaRemember(record: String) -> String {
        """
        if \(record) then redis.call('SET', \(record), ARGV[1] .. ' ' .. outcome, 'PX', ARGV[2]) end
        """
    }

    /// The record's name in Valkey.
    public let name: [UInt8]
    private let digest: [UInt8]

    /// Names the record of a call.
    ///
    /// - Parameters:
    ///   - request: The caller's name for the request.
    ///   - context: The call, for the user's id.
    ///   - method: The method's name.
    ///   - key: Name in Valkey of the key that the call is about.
    ///   - keyspace: Gives the prefix.
    ///   - parameters: Appends everything but the key that makes two calls the same.
    /// - Throws: ``RPCError`` where the name of the request is no text.
    public init(
        _ request: JSONString,
        _ context: CallContext,
        method: StaticString,
        key: [UInt8],
        keyspace: Keyspace,
        parameters: (inout ByteBuffer) -> Void
    ) throws(RPCError) {
        var buffer = ByteBuffer()
        buffer.append(keyspace.prefix)
        buffer.append("request:{")
        buffer.append(SlotTag.of(key))
        buffer.append("}:")
        buffer.append(decimal: Int64(context.userID))
        buffer.append(":")
        buffer.append(method)
        buffer.append(":")
        // Many keys may have one tag. A digest is as long for each, so that no key and request look like others.
        buffer.append(key.withByteView { Digest.sha1Hexadecimal($0) })
        buffer.append(":")
        buffer.append(try keyspace.resolve(request, parameter: "request_id"))
        name = buffer.view.copy()
        buffer.removeAll()
        parameters(&buffer)
        digest = Digest.sha1Hexadecimal(buffer.view)
    }

    /// What a record that was read without a script holds.
    ///
    /// - Parameter record: The record as stored.
    /// - Returns: The outcome.
    /// - Throws: ``RPCError`` `conflict` where the request was made with other parameters.
    public func outcome(in record: [UInt8]) throws(RPCError) -> [UInt8] {
        guard record.count > digest.count, record.starts(with: digest) else {
            throw Array("\(RememberedRequest.mismatch)".utf8).withByteView { RPCError(refusal: $0, .write) }
        }
        return Array(record[(digest.count + 1)...])
    }

    /// Appends the record's name as a word of a command: KEYS[2] of the script.
    public func appendKey(to command: inout ByteBuffer) {
        name.withByteView { command.append(word: $0) }
    }

    /// Appends ARGV[1] and ARGV[2] of the script; without a request they say nothing.
    public static func appendArguments(_ request: RememberedRequest?, to command: inout ByteBuffer) {
        guard let request else {
            command.append(word: "")
            command.append(word: "")
            return
        }
        request.digest.withByteView { command.append(word: $0) }
        command.append(word: lifeMilliseconds)
    }
}

/// The part of a key's name that decides on its slot in a Cluster (Cluster specification, "Hash tags").
enum SlotTag {
    /// What stands in the first pair of braces, where that is something, else the whole name.
    static func of(_ name: [UInt8]) -> [UInt8] {
        guard let open = name.firstIndex(of: UInt8(ascii: "{")),
            let close = name[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return name }
        return Array(name[(open + 1)..<close])
    }
}
