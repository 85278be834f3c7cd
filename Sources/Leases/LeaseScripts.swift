import EventLoop
import Valkey

/// The Lua scripts of locks, semaphores and elections; each works on the two keys of one ``LeasePlace``.
///
/// The hash KEYS[1] has `f`, the last fence, which stays when everything else goes; `x`, the lease granted last, and `l`,
/// the one released last otherwise than at once by whoever had it alone; and, while somebody holds the place, `p` — the
/// places taken, their capacity and a moment at or before the earliest end —, `s`, the last number of the queue,
/// `h:<lease>` for each holder and `w:<lease>` for each waiter, a ``LeaseRecord`` each. The sorted set KEYS[2] has the
/// waiters' leases by number.
///
/// Nobody waits for the dead: who stands first and whose agent does not listen is passed over, and where an agent did not
/// take what it was granted, all that it waits for is. (In a Cluster a node counts its own listeners only.)
///
/// What holds after each script: where somebody waits, the first of them does not fit. So there is no queue while
/// nothing is held, and whoever finds nothing held need not look for one.
///
/// Numbers of the queue and fences are of one sequence, about the server's microseconds: a holder whose fence is higher
/// than a waiter's number was granted after that one had begun to wait.
///
/// ARGV[1] is what the channels of agents begin with, ARGV[2] the channel that is told when the holders change, or
/// nothing.
@EventLoop
enum LeaseScripts {
    /// All of them, to be registered with the link.
    static let all = [
        acquire, renew, release, tend, inspect, revoke, WaitsForScripts.check, WaitsForScripts.keep,
        WaitsForScripts.forget,
    ]

    /// How long a lease lives, at most, that was granted to a waiter and not taken, in milliseconds.
    ///
    /// Its agent may be gone.
    static let claimMilliseconds = 2000

    /// The server's time, and whole numbers as text: Lua's own conversion would round a fence.
    static let time = """
        local time = redis.call('TIME')
        local micros = time[1] * 1000000 + time[2]
        local now = math.floor(micros / 1000)
        local function text(number) return string.format('%d', number) end
        """

    /// Functions on the state `S` of the place.
    static let functions = """
        local K, Q, stem, news = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
        local S
        local function read(record)
          local e, w, f, s, t, state, user, agent, rest =
            string.match(record, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%a) (%d+) (%x+) (.*)$')
          return {
            ends = tonumber(e), weight = tonumber(w), fence = f, since = s, life = tonumber(t), state = state,
            user = user, agent = agent, rest = rest,
          }
        end
        local function write(r)
          return text(r.ends) .. ' ' .. text(r.weight) .. ' ' .. r.fence .. ' ' .. r.since .. ' ' .. text(r.life)
            .. ' ' .. r.state .. ' ' .. r.user .. ' ' .. r.agent .. ' ' .. r.rest
        end
        local function keep()
          redis.call('HSET', K, 'f', text(S.f), 'p', text(S.u) .. ' ' .. text(S.c) .. ' ' .. text(S.e))
        end
        local function load()
          local v = redis.call('HMGET', K, 'f', 'p', 's')
          local u, c, e = string.match(v[2] or '0 0 0', '^(%d+) (%d+) (%d+)$')
          S = {
            f = tonumber(v[1] or '0'), u = tonumber(u), c = tonumber(c), e = tonumber(e), s = tonumber(v[3] or '0'),
            dirty = false, changed = false,
          }
        end
        local function prune()
          if S.u == 0 or S.e > now then return end
          local all = redis.call('HGETALL', K)
          local absent = {}
          S.u, S.e, S.dirty = 0, 1e15, true
          for i = 1, #all, 2 do
            if string.sub(all[i], 1, 2) == 'h:' then
              local r = read(all[i + 1])
              if r.ends <= now then
                redis.call('HDEL', K, all[i])
                S.changed = true
                if r.state == 'g' then absent[r.agent] = true end
              else
                S.u = S.u + r.weight
                if r.ends < S.e then S.e = r.ends end
              end
            end
          end
          if not next(absent) then return end
          for i = 1, #all, 2 do
            if string.sub(all[i], 1, 2) == 'w:' and absent[read(all[i + 1]).agent] then
              redis.call('HDEL', K, all[i])
              redis.call('ZREM', Q, string.sub(all[i], 3))
            end
          end
        end
        local function grant(lease, r)
          S.f = math.max(S.f + 1, S.s + 1, micros)
          r.fence, r.since = text(S.f), text(now)
          redis.call('HSET', K, 'h:' .. lease, write(r), 'x', lease)
          if S.u == 0 or r.ends < S.e then S.e = r.ends end
          S.u = S.u + r.weight
          S.dirty, S.changed = true, true
        end
        local function settle()
          while true do
            local lease = redis.call('ZRANGE', Q, 0, 0)[1]
            if not lease then break end
            local record = redis.call('HGET', K, 'w:' .. lease)
            local r = record and read(record)
            local living = r and r.ends > now
            if living and S.u > 0 and S.u + r.weight > S.c then break end
            redis.call('ZREM', Q, lease)
            redis.call('HDEL', K, 'w:' .. lease)
            if living and redis.call('PUBLISH', stem .. r.agent, 'g' .. lease) > 0 then
              if S.u == 0 then S.c = tonumber(r.fence) end
              r.state, r.ends = 'g', now + math.min(r.life, \(claimMilliseconds))
              grant(lease, r)
            end
          end
          if S.dirty then
            if S.u == 0 then
              redis.call('HDEL', K, 'p', 'x', 's')
            else
              keep()
            end
            S.dirty = false
          end
          if S.changed and news ~= '' then redis.call('PUBLISH', news, '') end
          S.changed = false
        end
        local function holder()
          local last = redis.call('HGET', K, 'x')
          local record = last and redis.call('HGET', K, 'h:' .. last)
          if record then return record end
          local all = redis.call('HGETALL', K)
          for i = 1, #all, 2 do
            if string.sub(all[i], 1, 2) == 'h:' then return all[i + 1] end
          end
          return false
        end
        """

    /// Takes places, or a place in the queue.
    ///
    /// Doing it twice is doing it once.
    /// ARGV[3] is the lease, ARGV[4] its weight, ARGV[5] the capacity, ARGV[6] the life, ARGV[7] how long a place in the
    /// queue lasts without being tended, 0 for none, ARGV[8] user, agent, party and description. Answers the fence where
    /// it got a whole life; `{1, fence, life}` where that began before; `{0, milliseconds until the earliest end, a
    /// holder's record}` where it did not get any; `{2, …}` the same where it waits.
    static let acquire = Script(
        """
        -- squire lease.acquire 3
        local held = redis.call('HMGET', KEYS[1], 'p', 'f')
        \(time)
        if not held[1] then
          local number, last = micros, tonumber(held[2] or '0')
          if last >= number then number = last + 1 end
          local fence = text(number)
          local ends = text(now + ARGV[6])
          redis.call('HSET', KEYS[1], 'f', fence, 'p', ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ends, 'x', ARGV[3],
            'h:' .. ARGV[3], ends .. ' ' .. ARGV[4] .. ' ' .. fence .. ' ' .. text(now) .. ' ' .. ARGV[6] .. ' h '
            .. ARGV[8])
          if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[2], '') end
          return number
        end
        \(functions)
        local lease, weight, capacity, life = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])
        local user, agent, rest = string.match(ARGV[8], '^(%d+) (%x+) (.*)$')
        load()
        prune()
        settle()
        local own = redis.call('HGET', K, 'h:' .. lease)
        if own then
          local r = read(own)
          if r.state == 'r' then return {0, text(r.ends - now), own} end
          if r.state == 'g' then r.ends, r.state = now + r.life, 'h' end
          -- Whoever asked last keeps it. Writing it also makes `WAIT` tell of it.
          r.agent, r.rest = agent, rest
          redis.call('HSET', K, 'h:' .. lease, write(r))
          return {1, r.fence, text(r.ends - now)}
        end
        if S.u > 0 and S.c ~= capacity then return redis.error_reply('SQUIRECAPACITY ' .. text(S.c)) end
        local r = {
          ends = now + ARGV[6], weight = weight, fence = text(capacity), since = text(now), life = tonumber(ARGV[6]),
          state = 'h', user = user, agent = agent, rest = rest,
        }
        local waits = redis.call('HEXISTS', K, 'w:' .. lease) == 1
        if S.u == 0 or (not waits and S.u + weight <= S.c and redis.call('EXISTS', Q) == 0) then
          if S.u == 0 then S.c = capacity end
          grant(lease, r)
          settle()
          return tonumber(r.fence)
        end
        if life == 0 then return {0, text(S.e - now), holder()} end
        if not waits then
          local number = text(math.max(S.s + 1, S.f + 1, micros))
          redis.call('HSET', K, 's', number)
          redis.call('ZADD', Q, number, lease)
        end
        r.state, r.ends = 'w', now + life
        redis.call('HSET', K, 'w:' .. lease, write(r))
        return {2, text(S.e - now), holder()}
        """
    )

    /// Lengthens the lease ARGV[3] of the user ARGV[4], which the agent ARGV[5] keeps from now on, by the life ARGV[6],
    /// or by its own where that is empty.
    ///
    /// What a client asks for is the lease's own life from then on, and may be shorter than what is left. ARGV[7] is the
    /// connection that asks, as a party: the lease is that party's from now on, unless its party has a name. Where it is
    /// empty, the agent asks by itself, and only the one that keeps the lease may: one from which it was taken to another
    /// connection does not take it back. It may ask for less than the lease's own life, and never shortens one: its
    /// command may be carried out behind that of a client who was given more meanwhile. Answers `{1, life, the record}`,
    /// or `{0}` where it has ended, `{0, 'r'}` where it was revoked, `{0, 'm'}` where another agent keeps it.
    static let renew = Script(
        """
        -- squire lease.renew 5
        \(time)
        \(functions)
        local record = redis.call('HGET', K, 'h:' .. ARGV[3])
        local r = record and read(record)
        if r and r.user == ARGV[4] and r.ends > now then
          if ARGV[7] == '' and r.agent ~= ARGV[5] then return {0, 'm'} end
          if r.state == 'r' then return {0, 'r'} end
          local life = tonumber(ARGV[6]) or r.life
          local ends = now + life
          if ARGV[7] == '' then ends = math.max(ends, r.ends) end
          r.ends, r.state, r.agent = ends, 'h', ARGV[5]
          if ARGV[7] ~= '' then
            r.life = life
            r.rest = string.gsub(r.rest, '^%x+%-%d+', ARGV[7])
          end
          record = write(r)
          redis.call('HSET', K, 'h:' .. ARGV[3], record)
          load()
          if r.ends < S.e then
            S.e = r.ends
            keep()
          end
          return {1, text(life), record}
        end
        load()
        prune()
        settle()
        return {0}
        """
    )

    /// Ends the lease ARGV[3] of the user ARGV[4], or its wait; where ARGV[5] is not empty, only one that this agent keeps.
    ///
    /// ARGV[6] is 1 where the lease lives longer than anybody waits for the answer, so that the time need not be asked for.
    /// Doing it twice is doing it once. Answers 1 where it was held, or is the one that was released last; 2 where it
    /// waited; else 0, also where it has run out.
    static let release = Script(
        """
        -- squire lease.release 3
        local v = redis.call('HMGET', KEYS[1], 'h:' .. ARGV[3], 'p', 's', 'x')
        local ends, weight, user, agent
        if v[1] then
          ends, weight, user, agent = string.match(v[1], '^(%d+) (%d+) %d+ %d+ %d+ %a (%d+) (%x+) ')
          if user ~= ARGV[4] or ARGV[5] ~= '' and agent ~= ARGV[5] then return 0 end
          if ARGV[6] == '1' and v[4] == ARGV[3] and not v[3] and string.match(v[2] or '', '^%d+') == weight then
            -- Nobody else holds it, and nobody has waited since somebody did. That it is `x` tells who released it.
            redis.call('HDEL', KEYS[1], 'h:' .. ARGV[3], 'p')
            if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[2], '') end
            return 1
          end
        end
        \(time)
        if v[1] and tonumber(ends) <= now then weight = nil end
        \(functions)
        local result = 0
        load()
        if weight then
          redis.call('HDEL', K, 'h:' .. ARGV[3])
          redis.call('HSET', K, 'l', ARGV[3])
          S.u = S.u - weight
          S.dirty, S.changed = true, true
          result = 1
        elseif not v[1] then
          local record = redis.call('HGET', K, 'w:' .. ARGV[3])
          local r = record and read(record)
          if r and r.user == ARGV[4] and (ARGV[5] == '' or r.agent == ARGV[5]) then
            redis.call('HDEL', K, 'w:' .. ARGV[3])
            redis.call('ZREM', Q, ARGV[3])
            result = 2
          else
            local released = redis.call('HGET', K, 'l') == ARGV[3] or not v[2] and v[4] == ARGV[3]
            result = released and 1 or 0
          end
        end
        prune()
        settle()
        return result
        """
    )

    /// Keeps the places in the queue of the leases from ARGV[4] on for ARGV[3] milliseconds more, and grants what can be
    /// granted.
    ///
    /// Answers the milliseconds until the earliest end, 0 where nothing is held, then for each lease 0 where it waits, 1
    /// where it was granted, 2 where it is not known.
    static let tend = Script(
        """
        -- squire lease.tend 3
        \(time)
        \(functions)
        load()
        prune()
        for i = 4, #ARGV do
          local record = redis.call('HGET', K, 'w:' .. ARGV[i])
          if record then
            local r = read(record)
            r.ends = now + ARGV[3]
            redis.call('HSET', K, 'w:' .. ARGV[i], write(r))
          end
        end
        settle()
        local result = {S.u > 0 and math.max(S.e - now, 0) or 0}
        for i = 4, #ARGV do
          local state = 2
          if redis.call('HEXISTS', K, 'w:' .. ARGV[i]) == 1 then
            state = 0
          elseif redis.call('HEXISTS', K, 'h:' .. ARGV[i]) == 1 then
            state = 1
          end
          result[#result + 1] = state
        end
        return result
        """
    )

    /// The fence, the capacity, the server's time, the records of those who hold, and of those who wait, in order.
    static let inspect = Script(
        """
        -- squire lease.inspect 3
        \(time)
        \(functions)
        load()
        prune()
        settle()
        local holders, waiters = {}, {}
        local all = redis.call('HGETALL', K)
        local waiting = {}
        for i = 1, #all, 2 do
          local word = string.sub(all[i], 1, 2)
          if word == 'h:' then
            holders[#holders + 1] = all[i + 1]
          elseif word == 'w:' then
            waiting[string.sub(all[i], 3)] = all[i + 1]
          end
        end
        for _, lease in ipairs(redis.call('ZRANGE', Q, 0, -1)) do
          if waiting[lease] then waiters[#waiters + 1] = waiting[lease] end
        end
        return {text(S.f), text(S.u > 0 and S.c or 0), text(now), holders, waiters}
        """
    )

    /// Marks every lease as revoked, and tells the agents that keep them; answers how many.
    static let revoke = Script(
        """
        -- squire lease.revoke 3
        \(time)
        \(functions)
        load()
        prune()
        settle()
        local revoked = 0
        local all = redis.call('HGETALL', K)
        for i = 1, #all, 2 do
          if string.sub(all[i], 1, 2) == 'h:' then
            local r = read(all[i + 1])
            if r.state ~= 'r' then
              r.state = 'r'
              redis.call('HSET', K, all[i], write(r))
              redis.call('PUBLISH', stem .. r.agent, 'r' .. string.sub(all[i], 3))
              revoked = revoked + 1
            end
          end
        end
        return revoked
        """
    )
}
