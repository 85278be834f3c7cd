import Store
import Valkey

/// Scripts that know entries which are not there yet: the byte 0x01, `L` and the lease of whoever computes them.
///
/// The place of the entry itself holds the lease, so whatever writes, deletes or invalidates the entry ends the lease
/// too, and is news to all who wait for it. A lease named `!` is nobody's: it keeps others from trying for a while.
extension CacheScripts {
    /// Lua that tells whether the entry at KEYS[1] is only a lease.
    static let luaIsLease = "redis.pcall('GETRANGE', KEYS[1], 0, 1) == '\\1L'"

    /// Asks for the entry at KEYS[1], or else for the lease ARGV[1] of ARGV[2] milliseconds.
    ///
    /// Answers `{1}` where the lease was given, `{2, value}`, `{3, milliseconds, lease}` where another runs, or
    /// `{4, milliseconds}` where nobody is to try. Asking twice for the same lease is as asking once.
    static let lease = Script(
        """
        -- squire cache.lease 1
        local value = redis.call('GET', KEYS[1])
        if not value then
          redis.call('SET', KEYS[1], '\\1L' .. ARGV[1], 'PX', ARGV[2])
          return {1}
        end
        if string.sub(value, 1, 2) ~= '\\1L' then return {2, value} end
        local holder = string.sub(value, 3)
        if holder == ARGV[1] then return {1} end
        if holder == '!' then return {4, redis.call('PTTL', KEYS[1])} end
        return {3, redis.call('PTTL', KEYS[1]), holder}
        """
    )

    /// Writes ARGV[2] to KEYS[1] while the lease ARGV[1] runs; ARGV[3] is a life in milliseconds, or nothing.
    ///
    /// With ARGV[4] `1` the lease was given while Valkey was away: it runs where there is nothing at all.
    static let setLeased = Script(
        """
        -- squire cache.set leased 1
        local held = redis.call('GET', KEYS[1])
        if held ~= '\\1L' .. ARGV[1] and not (ARGV[4] == '1' and not held) then
          return redis.error_reply('SQUIREVOID the lease has ended')
        end
        if ARGV[3] ~= '' then return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        return redis.call('SET', KEYS[1], ARGV[2])
        """
    )

    /// Ends the lease ARGV[1] of KEYS[1]; with ARGV[2], nobody gets one for so many milliseconds.
    static let fail = Script(
        """
        -- squire cache.fail 1
        if redis.pcall('GET', KEYS[1]) ~= '\\1L' .. ARGV[1] then return 0 end
        if ARGV[2] ~= '' then
          redis.call('SET', KEYS[1], '\\1L!', 'PX', ARGV[2])
        else
          redis.call('UNLINK', KEYS[1])
        end
        return 1
        """
    )

    /// Writes ARGV[1] to KEYS[1] where there is an entry (ARGV[3] is `1`) or none; ARGV[2] is a life, or nothing.
    static let setConditional = Script(
        """
        -- squire cache.set conditional 1
        local exists = redis.call('EXISTS', KEYS[1]) == 1 and not (\(luaIsLease))
        if exists ~= (ARGV[3] == '1') then return false end
        if ARGV[2] ~= '' then return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
        return redis.call('SET', KEYS[1], ARGV[1])
        """
    )

    /// Tells whether there is an entry at KEYS[1].
    static let exists = Script(
        """
        -- squire cache.exists 1
        if \(luaIsLease) then return 0 end
        return redis.call('EXISTS', KEYS[1])
        """
    )

    /// Gives the entry at KEYS[1] the life ARGV[1] in milliseconds, or none; answers whether there is one.
    static let touch = Script(
        """
        -- squire cache.touch 1
        if \(luaIsLease) then return 0 end
        if ARGV[1] ~= '' then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
        redis.call('PERSIST', KEYS[1])
        return redis.call('EXISTS', KEYS[1])
        """
    )
}
