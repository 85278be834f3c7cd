import JSONRPC
import Store
import Valkey

extension CacheScripts {
    /// Makes several writes, where what was looked at is still there and no fence is lower than one that was seen.
    ///
    /// ARGV[1] keys come first that were looked at, then ARGV[2] records of fences, then one key for each write. ARGV[3]
    /// is how long fences are kept, in milliseconds. Then follow the SHA-1 of what was under each key, or nothing where
    /// there was nothing; the fences; and three words for each write: what to do, a value, and a life in milliseconds or
    /// nothing. Answers 1, or 0 where something has changed; then nothing was written.
    static let transact = Script(
        """
        -- squire cache.transact 1
        local watched = tonumber(ARGV[1])
        local fences = tonumber(ARGV[2])
        for i = 1, watched do
          local value = redis.pcall('GET', KEYS[i])
          local seen = ''
          if type(value) == 'table' and value.err then return value end
          if type(value) == 'string' then seen = redis.sha1hex(value) end
          if seen ~= ARGV[3 + i] then return 0 end
        end
        local position = 3 + watched
        for i = 1, fences do
          local seen = redis.call('GET', KEYS[watched + i])
          local given = ARGV[position + i]
          if seen and (#seen > #given or #seen == #given and seen > given) then
            return redis.error_reply('\(RPCError.fenceMark)' .. seen)
          end
        end
        for i = 1, fences do redis.call('SET', KEYS[watched + i], ARGV[position + i], 'PX', ARGV[3]) end
        position = position + fences + 1
        local key = watched + fences
        while ARGV[position] do
          key = key + 1
          local word, value, life = ARGV[position], ARGV[position + 1], ARGV[position + 2]
          if word == 'set' and life ~= '' then redis.call('SET', KEYS[key], value, 'PX', life)
          elseif word == 'set' then redis.call('SET', KEYS[key], value)
          elseif word == 'keep' then redis.call('SET', KEYS[key], value, 'KEEPTTL')
          elseif word == 'delete' then redis.call('UNLINK', KEYS[key])
          elseif life ~= '' then redis.call('PEXPIRE', KEYS[key], life)
          else redis.call('PERSIST', KEYS[key]) end
          position = position + 3
        end
        return 1
        """
    )
}
