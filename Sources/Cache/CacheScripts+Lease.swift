import JSONRPC
import Store
import Valkey

/// Scripts that know entries which are not there yet: the byte 0x01, `L` and the lease of whoever computes them.
///
/// The place of the entry itself holds the lease, so whatever writes, deletes or invalidates the entry ends the lease
/// too, and is news to all who wait for it. A value that may be served after its life stays where it is while another is
/// computed: its head (``EntryHead``) has a place for the lease, and for the moment when it ends by the server's clock.
/// A lease named `!` is nobody's: it keeps others from trying for a while.
extension CacheScripts {
    /// Lua that tells whether the entry at KEYS[1] is only a lease.
    static let luaIsLease = "redis.pcall('GETRANGE', KEYS[1], 0, 1) == '\\1L'"

    /// Lua that sets `now` to Unix time in milliseconds.
    private static let luaNow = """
        local clock = redis.call('TIME')
        local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
        """

    /// Lua for Unix time in microseconds.
    private static let luaMicroseconds = "clock[1] * 1000000 + clock[2]"

    /// Lua that tells whether `head`, the beginning of an entry, has room for a lease.
    private static let luaHasStale = "string.sub(head, 1, 2) == '\\1E' and string.byte(head, 3) % 2 == 1"

    /// Lua that hands an entry with tags back instead of going on, unless the last argument is what stands before its
    /// value: scripts cannot know whether the tags of an entry are those of now, as they lie in other slots.
    ///
    /// The answer has all that is needed to call the script again; the argument before the last is for that, and for no
    /// script: the caller's deadline, and how often the script was called again.
    static let luaVerify = """
        local marks = redis.pcall('GETRANGE', KEYS[1], 0, 2)
        if type(marks) == 'string' and #marks == 3 and string.sub(marks, 1, 2) == '\\1E'
          and math.floor(string.byte(marks, 3) / 2) % 2 == 1 then
          local verified = ARGV[#ARGV]
          if verified == '' or redis.call('GETRANGE', KEYS[1], 0, #verified - 1) ~= verified then
            return {redis.call('GETRANGE', KEYS[1], 0, 65535), KEYS, ARGV}
          end
        end
        """

    /// Asks for the entry at KEYS[1], or else for the lease ARGV[1] of ARGV[2] milliseconds.
    ///
    /// Answers `{1, microseconds}` where the lease was given, with the time by the server's clock, `{2, value}`,
    /// `{3, milliseconds, lease}` where another runs, or `{4, milliseconds}` where nobody is to try. Of an entry whose life
    /// is over, but not its stale period: `{5, value, microseconds}` where the lease was given, `{6, value}` where another
    /// runs, or none can be given because the server refuses writes. Whoever asks again for a lease was not told of it: it
    /// begins anew.
    static let lease = Script(
        """
        -- squire cache.lease 5
        local value = redis.call('GET', KEYS[1])
        if not value or value == '\\1L' .. ARGV[1] then
          redis.call('SET', KEYS[1], '\\1L' .. ARGV[1], 'PX', ARGV[2])
          local clock = redis.call('TIME')
          return {1, \(luaMicroseconds)}
        end
        local head = string.sub(value, 1, 51)
        if \(luaHasStale) then
          local left = redis.call('PTTL', KEYS[1])
          if left >= 0 and left <= struct.unpack('>I8', head, 4) then
            \(luaNow)
            if struct.unpack('>I8', head, 12) > now and string.sub(head, 20, 51) ~= ARGV[1] then return {6, value} end
            local taken = redis.pcall('SETRANGE', KEYS[1], 11, struct.pack('>I8', now + ARGV[2]) .. ARGV[1])
            if type(taken) == 'table' then return {6, value} end
            return {5, value, \(luaMicroseconds)}
          end
        end
        if string.sub(value, 1, 2) ~= '\\1L' then return {2, value} end
        local holder = string.sub(value, 3)
        if holder == '!' then return {4, redis.call('PTTL', KEYS[1])} end
        return {3, redis.call('PTTL', KEYS[1]), holder}
        """
    )

    /// Writes ARGV[1] to KEYS[1] for ARGV[2] milliseconds, or without an end, where all conditions hold.
    ///
    /// ARGV[3] is `absent`, `present` or nothing. ARGV[4] is a lease that must run, or nothing; with ARGV[5] `1` it was
    /// given while Valkey was away and runs where there is nothing at all. ARGV[6] is a fence, where KEYS[2] holds the
    /// highest one that was seen, for ARGV[7] milliseconds. Fences are decimal and not negative, so the longer text is the
    /// larger number. The last argument is as ``luaVerify`` says.
    static let store = Script(
        """
        -- squire cache.store 1
        if KEYS[2] then
          local seen = redis.call('GET', KEYS[2])
          if seen and (#seen > #ARGV[6] or #seen == #ARGV[6] and seen > ARGV[6]) then
            return redis.error_reply('\(RPCError.fenceMark)' .. seen)
          end
        end
        if ARGV[3] ~= '' or ARGV[4] ~= '' then
          \(luaVerify)
        end
        if ARGV[3] ~= '' then
          local exists = redis.call('EXISTS', KEYS[1]) == 1 and not (\(luaIsLease))
          if exists ~= (ARGV[3] == 'present') then return false end
        end
        if ARGV[4] ~= '' then
          local head = redis.pcall('GETRANGE', KEYS[1], 0, 130)
          if type(head) ~= 'string' then head = '' end
          local holds = head == '\\1L' .. ARGV[4]
          if not holds and #head >= 51 and \(luaHasStale) and string.sub(head, 20, 51) == ARGV[4] then
            \(luaNow)
            holds = struct.unpack('>I8', head, 12) > now
          end
          if not holds and not (ARGV[5] == '1' and redis.call('EXISTS', KEYS[1]) == 0) then
            return redis.error_reply('SQUIREVOID the lease has ended')
          end
        end
        if KEYS[2] then redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[7]) end
        if ARGV[2] ~= '' then return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
        return redis.call('SET', KEYS[1], ARGV[1])
        """
    )

    /// Gives the tag at KEYS[1] a generation that tells the time (``TagGeneration``), ending in the 8 bytes of ARGV[1], for
    /// ARGV[2] milliseconds.
    static let rememberInvalidation = Script(
        """
        -- squire cache.rememberInvalidation 1
        local clock = redis.call('TIME')
        local time = '\\128' .. string.sub(struct.pack('>I8', \(luaMicroseconds)), 2)
        return redis.call('SET', KEYS[1], time .. ARGV[1], 'PX', ARGV[2])
        """
    )

    /// Ends the lease ARGV[1] of KEYS[1]; with ARGV[2], nobody gets one for so many milliseconds.
    static let fail = Script(
        """
        -- squire cache.fail 2
        local head = redis.pcall('GETRANGE', KEYS[1], 0, 130)
        if type(head) ~= 'string' then return 0 end
        if head == '\\1L' .. ARGV[1] then
          if ARGV[2] ~= '' then
            redis.call('SET', KEYS[1], '\\1L!', 'PX', ARGV[2])
          else
            redis.call('UNLINK', KEYS[1])
          end
          return 1
        end
        if #head >= 51 and \(luaHasStale) and string.sub(head, 20, 51) == ARGV[1] then
          local place = string.rep('\\0', 40)
          if ARGV[2] ~= '' then
            \(luaNow)
            place = struct.pack('>I8', now + ARGV[2]) .. '!' .. string.rep('\\0', 31)
          end
          redis.call('SETRANGE', KEYS[1], 11, place)
          return 1
        end
        return 0
        """
    )

    /// Tells whether there is an entry at KEYS[1]; of an entry with tags, answers what stands before its value instead,
    /// and the key's name.
    static let exists = Script(
        """
        -- squire cache.exists 3
        local marks = redis.pcall('GETRANGE', KEYS[1], 0, 2)
        if type(marks) == 'string' then
          if string.sub(marks, 1, 2) == '\\1L' then return 0 end
          if #marks == 3 and string.sub(marks, 1, 2) == '\\1E' and math.floor(string.byte(marks, 3) / 2) % 2 == 1 then
            return {redis.call('GETRANGE', KEYS[1], 0, 65535), KEYS[1]}
          end
        end
        return redis.call('EXISTS', KEYS[1])
        """
    )

    /// Gives the entry at KEYS[1] the life ARGV[1] in milliseconds, or none; answers whether there is one.
    ///
    /// Its stale period begins behind that life. The last argument is as ``luaVerify`` says.
    static let touch = Script(
        """
        -- squire cache.touch 2
        if \(luaIsLease) then return 0 end
        \(luaVerify)
        if ARGV[1] ~= '' then
          local life = ARGV[1]
          local head = redis.pcall('GETRANGE', KEYS[1], 0, 10)
          if type(head) == 'string' and #head == 11 and \(luaHasStale) then
            life = string.format('%.0f', life + struct.unpack('>I8', head, 4))
          end
          return redis.call('PEXPIRE', KEYS[1], life)
        end
        redis.call('PERSIST', KEYS[1])
        return redis.call('EXISTS', KEYS[1])
        """
    )

    /// Removes the entry at KEYS[1] where what stands before its value is ARGV[1].
    static let purge = Script(
        """
        -- squire cache.purge 1
        if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
        return redis.call('UNLINK', KEYS[1])
        """
    )
}
