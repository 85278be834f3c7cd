import EventLoop
import Valkey

/// The Lua scripts of responses; each works on one key.
///
/// The place of a response that somebody asks the model for holds the byte 0x01, `L`, the lease (32 characters), the
/// generations of scope and model under which it was given (32 characters), and when that was (13 characters): 79 bytes.
/// Whatever writes or removes the response ends the lease too, and so does an invalidation of scope or model, which move
/// the generations on. One of a tag leaves behind when it was (``TagInvalidation``), and what is then stored with the tag
/// under an older lease is refused. Whoever waits is told over a channel of the key's name; a server that refuses to
/// publish only makes them wait longer.
@EventLoop
enum ResponseScripts {
    static let all = [generation, lease, put, release, invalidate, invalidateTag]

    /// The error by which a script says that a lease has ended.
    static let voidMark: StaticString = "SQUIREVOID"

    /// Lua for Unix time in microseconds by the server's clock, as 13 hexadecimal characters.
    private static let luaTime = "string.format('%013x', clock[1] * 1000000 + clock[2])"

    /// The generation at KEYS[1]; where there is none, ARGV[1] becomes it.
    ///
    /// It lives ARGV[2] milliseconds at least, or
    /// without end where that is nothing.
    static let generation = Script(
        """
        -- squire response.generation 1
        local current = redis.call('GET', KEYS[1])
        if not current or #current ~= 16 then
          if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
          else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
          return ARGV[1]
        end
        local left = redis.call('PTTL', KEYS[1])
        if left >= 0 then
          if ARGV[2] == '' then redis.call('PERSIST', KEYS[1])
          elseif left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
        end
        return current
        """
    )

    /// Asks for the response at KEYS[1], or else for the lease ARGV[1] of ARGV[2] milliseconds.
    ///
    /// The lease is given under the generations ARGV[3]. A response whose id is ARGV[4] is known to be out of date.
    ///
    /// Answers `{1}` where the lease was given, `{2, entry}`, or `{3, milliseconds, lease}` where another runs. Asking
    /// twice for the same lease is as asking once.
    static let lease = Script(
        """
        -- squire response.lease 2
        local held = redis.call('GET', KEYS[1])
        if held and string.sub(held, 1, 2) == '\\1L' then
          if string.sub(held, 35, 66) == ARGV[3] then
            local holder = string.sub(held, 3, 34)
            if holder == ARGV[1] then return {1} end
            return {3, redis.call('PTTL', KEYS[1]), holder}
          end
        elseif held and string.sub(held, 8, 23) ~= ARGV[4] then
          return {2, held}
        end
        local clock = redis.call('TIME')
        redis.call('SET', KEYS[1], '\\1L' .. ARGV[1] .. ARGV[3] .. \(luaTime), 'PX', ARGV[2])
        return {1}
        """
    )

    /// Writes the entry ARGV[1] to KEYS[1], for ARGV[2] milliseconds or, where that is nothing, without end.
    ///
    /// With a lease ARGV[3] only while that runs, under the generations ARGV[4], and where it was given after ARGV[6],
    /// which is when a tag of the response was invalidated last, or nothing. ARGV[5] is the channel.
    static let put = Script(
        """
        -- squire response.put 2
        if ARGV[3] ~= '' then
          local held = redis.pcall('GETRANGE', KEYS[1], 0, 79)
          if type(held) ~= 'string' then held = '' end
          local holds = string.sub(held, 1, 66) == '\\1L' .. ARGV[3] .. ARGV[4]
          if holds and ARGV[6] ~= '' and #held == 79 then
            holds = tonumber(string.sub(held, 67), 16) > tonumber(ARGV[6], 16)
          end
          if not holds then
            if string.sub(held, 1, 34) == '\\1L' .. ARGV[3] then
              redis.call('UNLINK', KEYS[1])
              redis.pcall('PUBLISH', ARGV[5], '')
            end
            return redis.error_reply('SQUIREVOID the lease has ended')
          end
        end
        if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        else redis.call('SET', KEYS[1], ARGV[1]) end
        redis.pcall('PUBLISH', ARGV[5], '')
        return 1
        """
    )

    /// Ends the lease ARGV[1] of KEYS[1]; ARGV[2] is the channel.
    static let release = Script(
        """
        -- squire response.release 1
        if redis.pcall('GETRANGE', KEYS[1], 0, 33) ~= '\\1L' .. ARGV[1] then return 0 end
        redis.call('UNLINK', KEYS[1])
        redis.pcall('PUBLISH', ARGV[2], '')
        return 1
        """
    )

    /// Gives the tag at KEYS[1] a generation that tells the time, as ``TagInvalidation`` says.
    ///
    /// It ends in the 2 characters of ARGV[1] and lives ARGV[2] milliseconds. A server that takes no more data still
    /// forgets the one before.
    static let invalidateTag = Script(
        """
        -- squire response.invalidateTag 1
        redis.call('UNLINK', KEYS[1])
        local clock = redis.call('TIME')
        redis.pcall('SET', KEYS[1], 't' .. \(luaTime) .. ARGV[1], 'PX', ARGV[2])
        return 1
        """
    )

    /// Removes the response or the lease at KEYS[1]; answers whether there was a response.
    ///
    /// ARGV[1] is the channel.
    static let invalidate = Script(
        """
        -- squire response.invalidate 1
        local head = redis.pcall('GETRANGE', KEYS[1], 0, 1)
        local removed = redis.call('UNLINK', KEYS[1])
        redis.pcall('PUBLISH', ARGV[1], '')
        if head == '\\1L' then return 0 end
        return removed
        """
    )
}
