import EventLoop
import Valkey

/// The waits-for graph of a whole store: one hash, in which who waits is entered before it is looked for a cycle.
///
/// The hash KEYS[1] has `e:<lease>` for each wait that was entered and `p:<party>` for each party, the leases for which
/// it waits. Only parties that hold something, or may, enter their waits: nobody can wait for the others.
///
/// A party is stuck where one of its waits is blocked; a wait is blocked where somebody stands before it who is stuck,
/// or where those who are not stuck hold too few of the places that it needs. What is still stuck when nothing changes
/// any more will stay so (Coffman 1971; Knapp 1987, the AND-OR model).
@EventLoop
enum WaitsForScripts {
    /// Enters the wait of the lease ARGV[1], and answers the cycle that it closes.
    ///
    /// ARGV[2] is the party, ARGV[3] the milliseconds for which the entry stands, ARGV[4] a description, ARGV[5] whether
    /// to look for a cycle, ARGV[6] how many places must become free, ARGV[7] the number of holders, then party and
    /// weight of each, then the parties that stand before it. Answers lease, party, the party waited for, and description
    /// of each wait in the cycle, this one first; nothing where there is none.
    static let check = Script(
        """
        -- squire waits_for.check 1
        local G, lease, party = KEYS[1], ARGV[1], ARGV[2]
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local entry = {
          party = party, ends = now + ARGV[3], about = ARGV[4], need = tonumber(ARGV[6]), holders = {}, ahead = {},
        }
        local count = tonumber(ARGV[7])
        for i = 0, count - 1 do
          entry.holders[#entry.holders + 1] = {ARGV[8 + 2 * i], tonumber(ARGV[9 + 2 * i])}
        end
        for i = 8 + 2 * count, #ARGV do entry.ahead[#entry.ahead + 1] = ARGV[i] end
        redis.call('HSET', G, 'e:' .. lease, cmsgpack.pack(entry))
        redis.call('PEXPIRE', G, 600000)
        local function leases(of)
          local packed = redis.call('HGET', G, 'p:' .. of)
          return packed and cmsgpack.unpack(packed) or {}
        end
        local own, known = leases(party), false
        for _, other in ipairs(own) do known = known or other == lease end
        if not known then
          own[#own + 1] = lease
          redis.call('HSET', G, 'p:' .. party, cmsgpack.pack(own))
        end
        if ARGV[5] == '0' then return {} end

        local waits, parties, order = {}, {}, {party}
        local i = 1
        while i <= #order do
          local p = order[i]
          i = i + 1
          if not parties[p] then
            parties[p] = {}
            for _, id in ipairs(leases(p)) do
              local packed = redis.call('HGET', G, 'e:' .. id)
              local e = packed and cmsgpack.unpack(packed)
              if e and e.ends > now then
                waits[id] = e
                table.insert(parties[p], id)
                for _, h in ipairs(e.holders) do order[#order + 1] = h[1] end
                for _, a in ipairs(e.ahead) do order[#order + 1] = a end
              end
            end
          end
        end

        local stuck, changed = {}, true
        for p, ids in pairs(parties) do stuck[p] = #ids > 0 end
        local function blocked(e)
          for _, a in ipairs(e.ahead) do if stuck[a] then return true end end
          if e.need <= 0 then return false end
          local free = 0
          for _, h in ipairs(e.holders) do if not stuck[h[1]] then free = free + h[2] end end
          return free < e.need
        end
        while changed do
          changed = false
          for p, ids in pairs(parties) do
            if stuck[p] then
              local any = false
              for _, id in ipairs(ids) do any = any or blocked(waits[id]) end
              if not any then
                stuck[p] = false
                changed = true
              end
            end
          end
        end
        if not stuck[party] or not blocked(waits[lease]) then return {} end

        local path, seen = {}, {}
        local function follow(id)
          local e = waits[id]
          local function step(next)
            if not stuck[next] then return false end
            path[#path + 1] = {id, e.party, next, e.about}
            if next == party then return true end
            if not seen[next] then
              seen[next] = true
              for _, other in ipairs(parties[next]) do
                if blocked(waits[other]) and follow(other) then return true end
              end
            end
            path[#path] = nil
            return false
          end
          for _, h in ipairs(e.holders) do if step(h[1]) then return true end end
          for _, a in ipairs(e.ahead) do if step(a) then return true end end
          return false
        end
        if not follow(lease) then return {} end
        return path
        """
    )

    /// Takes the wait of the lease ARGV[1] of the party ARGV[2] out.
    static let forget = Script(
        """
        -- squire waits_for.forget 1
        if redis.call('HDEL', KEYS[1], 'e:' .. ARGV[1]) == 0 then return 0 end
        local packed = redis.call('HGET', KEYS[1], 'p:' .. ARGV[2])
        local kept = {}
        for _, lease in ipairs(packed and cmsgpack.unpack(packed) or {}) do
          if lease ~= ARGV[1] then kept[#kept + 1] = lease end
        end
        if #kept == 0 then
          redis.call('HDEL', KEYS[1], 'p:' .. ARGV[2])
        else
          redis.call('HSET', KEYS[1], 'p:' .. ARGV[2], cmsgpack.pack(kept))
        end
        return 1
        """
    )
}
