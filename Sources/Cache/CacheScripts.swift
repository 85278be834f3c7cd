import EventLoop
import Store
import Valkey

/// The cache's Lua scripts; each works on one key, and on the record of a remembered request in the same slot.
///
/// Numbers are handed back as Valkey's own text: Lua's numbers are doubles and lose integers above 2^53.
@EventLoop
enum CacheScripts {
    static let all = [
        increment, hashSet, hashIncrement, lease, store, fail, exists, touch, purge, rememberInvalidation, transact,
    ]

    /// Adds ARGV[3] to the number at KEYS[1].
    ///
    /// ARGV[1] and ARGV[2] belong to ``RememberedRequest``. ARGV[4] is a life in milliseconds, or nothing for no end; it
    /// is given to a new entry, and to an existing one where ARGV[5] is `1`. What stands before the number stays there,
    /// but for the lease of whoever computes it anew, which is over; its stale period begins behind the life. The last
    /// argument is as ``luaVerify`` says.
    static let increment = Script(
        """
        -- squire cache.increment 4
        \(RememberedRequest.luaRecall)
        if \(luaIsLease) then redis.call('UNLINK', KEYS[1]) end
        local created = redis.call('EXISTS', KEYS[1]) == 0
        local life = ARGV[4]
        local head = ''
        local whole = nil
        if redis.pcall('GETRANGE', KEYS[1], 0, 1) == '\\1E' then
          \(luaHeadBeforeNumber)
        end
        local sum = redis.pcall('INCRBY', KEYS[1], ARGV[3])
        if type(sum) == 'table' then
          if whole then redis.call('SET', KEYS[1], whole, 'KEEPTTL') end
          return sum
        end
        local outcome = redis.call('GET', KEYS[1])
        if whole then redis.call('SET', KEYS[1], head .. outcome, 'KEEPTTL') end
        if created or ARGV[5] == '1' then
          if life ~= '' then redis.call('PEXPIRE', KEYS[1], life)
          elseif not created then redis.call('PERSIST', KEYS[1]) end
        end
        \(RememberedRequest.luaRemember)
        return outcome
        """
    )

    /// Lua that takes the head off the entry at KEYS[1]: `head` and `whole` are what was there, and what is left is the
    /// number.
    private static let luaHeadBeforeNumber = """
        \(luaVerify)
        whole = redis.call('GET', KEYS[1])
        local flags = string.byte(whole, 3)
        if flags > 3 then return redis.error_reply('ERR value is not an integer or out of range') end
        local position = 4
        if flags % 2 == 1 then
          if life ~= '' then life = string.format('%.0f', life + struct.unpack('>I8', whole, 4)) end
          position = 52
        end
        position = position + 2 + struct.unpack('>I2', whole, position)
        if flags >= 2 then
          local count = string.byte(whole, position)
          position = position + 1
          for _ = 1, count do position = position + 2 + struct.unpack('>I2', whole, position) + 16 end
        end
        head = string.sub(whole, 1, position - 1)
        if flags % 2 == 1 then head = string.sub(head, 1, 11) .. string.rep('\\0', 40) .. string.sub(head, 52) end
        redis.call('SET', KEYS[1], string.sub(whole, position), 'KEEPTTL')
        """

    /// Writes the fields and values ARGV[3], ARGV[4] and so on of the hash at KEYS[1]; answers how many are new.
    ///
    /// ARGV[1] is a life in milliseconds, or nothing for no end; it is given to a new hash, and to an existing one where
    /// ARGV[2] is `1`.
    static let hashSet = Script(
        """
        -- squire hash.set 1
        local created = redis.call('EXISTS', KEYS[1]) == 0
        local added = 0
        for i = 3, #ARGV, 2 do
          added = added + redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
        end
        if created or ARGV[2] == '1' then
          if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1])
          elseif not created then redis.call('PERSIST', KEYS[1]) end
        end
        return added
        """
    )

    /// Adds ARGV[3] to the number in field ARGV[4] of the hash at KEYS[1]; a new hash gets the life ARGV[5].
    ///
    /// ARGV[1] and ARGV[2] belong to ``RememberedRequest``.
    static let hashIncrement = Script(
        """
        -- squire hash.increment 1
        \(RememberedRequest.luaRecall)
        local created = redis.call('EXISTS', KEYS[1]) == 0
        redis.call('HINCRBY', KEYS[1], ARGV[4], ARGV[3])
        if created and ARGV[5] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
        local outcome = redis.call('HGET', KEYS[1], ARGV[4])
        \(RememberedRequest.luaRemember)
        return outcome
        """
    )
}
