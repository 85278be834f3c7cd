import EventLoop
import Valkey

/// Finding deadlocks where the truth is: in the records of those who hold and of those who wait.
///
/// The hash `lock-graph` tells only where parties wait, of those parties for which somebody else may wait: `q:<party>`,
/// for each agent and place the keys, kind and name of the place, and who held it then; `m:<place>`, the parties that wait
/// there and have more such entries; `a`, until when each agent is taken for living. Who waits for whom follows from the records of the
/// places (``LeaseScripts``), which are read in the same script that decides. (So all must lie on one server: in a Cluster
/// only what shares a slot could be decided on.)
///
/// A party is stuck where one of its waits is blocked. In a place, those who wait have their turn one after the other,
/// and whoever is not stuck leaves again; so there is a first who does not fit beside what the stuck ones have, and he
/// and all behind him are blocked. What is still stuck when nothing changes any more will stay so (Coffman 1971; Knapp
/// 1987, the AND-OR model).
///
/// A wait keeps nobody waiting for what its own party got in the same place after it had begun, or asked for before it: a
/// party with several tasks lets go of the one and then has the other.
@EventLoop
enum WaitsForScripts {
    /// Functions on the hash `G`.
    private static let index = """
        local function get(field)
          local packed = redis.call('HGET', G, field)
          return packed and cmsgpack.unpack(packed) or {}
        end
        local function put(field, value)
          if next(value) then
            redis.call('HSET', G, field, cmsgpack.pack(value))
          else
            redis.call('HDEL', G, field)
          end
        end
        local function mark(key, of, isMarked)
          local marked = get('m:' .. key)
          marked[of] = isMarked
          put('m:' .. key, marked)
        end
        local function enter(of, id, entry)
          local entries, count = get('q:' .. of), 0
          if entries[id] then return end
          entries[id] = entry
          put('q:' .. of, entries)
          for _ in pairs(entries) do count = count + 1 end
          if count == 2 then
            for _, e in pairs(entries) do mark(e[1], of, true) end
          elseif count > 2 then
            mark(entry[1], of, true)
          end
        end
        local function leave(of, id)
          local entries, count, same, last = get('q:' .. of), 0, false, nil
          local entry = entries[id]
          if not entry then return end
          entries[id] = nil
          put('q:' .. of, entries)
          for _, e in pairs(entries) do
            count, last = count + 1, e
            same = same or e[1] == entry[1]
          end
          if count > 0 and not same then mark(entry[1], of, nil) end
          if count == 1 then mark(last[1], of, nil) end
        end
        """

    /// Enters the wait of the lease ARGV[3] of the agent ARGV[4], and ends it where it closes a cycle.
    ///
    /// KEYS[1] and KEYS[2] are the keys of its place, KEYS[3] is the hash; then follow the keys of further places, first
    /// of the ARGV[8] places of which the party has something or waits for it, where that is known and not -1. ARGV[5]
    /// are the milliseconds for which the agent is taken for living, ARGV[6] and ARGV[7] kind and name of the place.
    ///
    /// Answers `{0}` where there is no cycle, `{2, keys…}` where the places with these keys must be given as well, and
    /// `{1, …}` where the wait was ended: kind, name and description of each wait in the cycle, this one first.
    ///
    /// It takes a few steps where nobody waits for the party, or where the holders of the place wait for nothing. Only
    /// where places lead from one to the next and back to the party are their records read.
    static let check = Script(
        """
        -- squire waits_for.check 3
        \(LeaseScripts.time)
        \(LeaseScripts.functions)
        local G, lease, agent = KEYS[3], ARGV[3], ARGV[4]
        \(index)
        load()
        prune()
        settle()
        local record = redis.call('HGET', K, 'w:' .. lease)
        if not record then return {0} end
        local function party(r) return (string.match(r.rest, '^%S+')) end
        local P = party(read(record))
        local holding = redis.call('HGET', K, 'h:' .. (redis.call('HGET', K, 'x') or ''))
        enter(P, agent .. K, {K, Q, ARGV[6], ARGV[7], holding and party(read(holding))})
        local agents = get('a')
        agents[agent] = now + ARGV[5]
        put('a', agents)
        redis.call('PEXPIRE', G, 600000)

        local own, awaited = tonumber(ARGV[8]), false
        for i = 1, own do awaited = awaited or redis.call('EXISTS', KEYS[3 + 2 * i]) == 1 end
        if own >= 0 and not awaited then return {0} end

        local queues, about = {[K] = Q}, {[K] = {K, Q, ARGV[6], ARGV[7]}}
        for i = 4, #KEYS, 2 do queues[KEYS[i]] = KEYS[i + 1] end
        \(reach)
        \(records)
        \(stuck)
        \(path)
        redis.call('HDEL', K, 'w:' .. lease)
        redis.call('ZREM', Q, lease)
        settle()
        return answer
        """
    )

    /// Finds in `order` all places to which the place leads, and ends where they do not lead back to the party.
    ///
    /// Behind a place whose keys were not given, it asks for those that probably follow as well.
    private static let reach = """
        local entries = {}
        local function entriesOf(of)
          if not entries[of] then entries[of] = get('q:' .. of) end
          return entries[of]
        end
        local function holders(key)
          local v = redis.call('HMGET', key, 'p', 'x')
          local last = v[2] and redis.call('HGET', key, 'h:' .. v[2])
          local r = last and read(last)
          if not v[1] then return {} end
          if r and text(r.weight) == string.match(v[1], '^%d+') then return r.ends > now and {party(r)} or {} end
          local all, found = redis.call('HGETALL', key), {}
          for i = 1, #all, 2 do
            if string.sub(all[i], 1, 2) == 'h:' then
              r = read(all[i + 1])
              if r.ends > now then found[#found + 1] = party(r) end
            end
          end
          return found
        end
        local order, answer, known, returns = {K}, {2}, {[K] = true}, false
        local function visit(of, key)
          if of == P then
            returns = returns or key ~= nil
            return
          end
          for _, e in pairs(entriesOf(of)) do
            if not known[e[1]] then
              known[e[1]] = true
              about[e[1]] = e
              if queues[e[1]] then
                order[#order + 1] = e[1]
              else
                answer[#answer + 1] = e[1]
                answer[#answer + 1] = e[2]
                if e[5] and #answer < 1000 then visit(e[5]) end
              end
            end
          end
        end
        local i = 1
        while i <= #order do
          local key = order[i]
          for _, of in ipairs(holders(key)) do visit(of, key) end
          for of in pairs(get('m:' .. key)) do visit(of, key ~= K and key or nil) end
          i = i + 1
        end
        if #answer > 1 then return answer end
        if not returns then return {0} end
        """

    /// Reads the records of those places: who holds them, and who waits, in order, of the living.
    private static let records = """
        local listening, places, last = {[agent] = true}, {}, {}
        local function listens(to)
          if listening[to] == nil then listening[to] = redis.call('PUBLISH', stem .. to, '') > 0 end
          return listening[to]
        end
        local wait
        for _, key in ipairs(order) do
          local all, waiting = redis.call('HGETALL', key), {}
          local place = {key = key, counted = {}, queue = {}, first = 1, capacity = 0}
          for i = 1, #all, 2 do
            local word = string.sub(all[i], 1, 2)
            if word == 'h:' then
              local r = read(all[i + 1])
              if r.ends > now then
                table.insert(place.counted, {party = party(r), weight = r.weight, fence = tonumber(r.fence)})
              end
            elseif word == 'w:' then
              waiting[string.sub(all[i], 3)] = all[i + 1]
            elseif all[i] == 'p' then
              place.capacity = tonumber(string.match(all[i + 1], ' (%d+) '))
            end
          end
          local queue = redis.call('ZRANGE', queues[key], 0, -1, 'WITHSCORES')
          for i = 1, #queue, 2 do
            local r = waiting[queue[i]] and read(waiting[queue[i]])
            if r and r.ends > now and listens(r.agent) then
              local at = {
                place = place, at = #place.queue + 1, number = tonumber(queue[i + 1]), party = party(r),
                weight = r.weight, rest = r.rest,
              }
              place.queue[at.at] = at
              last[at.party] = last[at.party] or {}
              last[at.party][place] = at
              if queue[i] == lease then wait = at end
            end
          end
          places[#places + 1] = place
        end
        """

    /// Moves the first who is blocked in each place as far as he goes, and ends where the wait is not blocked.
    ///
    /// `counted` are those who have something or will have it before him, and are stuck.
    private static let stuck = """
        local function isBlocked(at, place, fence)
          return at.at >= at.place.first and (at.place ~= place or fence and fence < at.number)
        end
        local function isStuck(of, place, fence)
          for _, at in pairs(last[of] or {}) do
            if isBlocked(at, place, fence) then return true end
          end
          return false
        end
        local changed = true
        while changed do
          changed = false
          for i = #places, 1, -1 do
            local place, counted, taken = places[i], {}, 0
            local function count(claim)
              if isStuck(claim.party, place, claim.fence) then
                counted[#counted + 1] = claim
                taken = taken + claim.weight
              end
            end
            for _, claim in ipairs(place.counted) do count(claim) end
            local at = place.first
            while place.queue[at] and place.queue[at].weight + taken <= place.capacity do
              count(place.queue[at])
              at = at + 1
            end
            changed = changed or at > place.first
            place.first, place.counted, place.taken = at, counted, taken
          end
        end
        if not wait or wait.at < wait.place.first then return {0} end
        """

    /// Follows those who are blocked from the wait back to its party, in `answer`.
    private static let path = """
        local seen, steps = {}, {}
        local function follow(at)
          if seen[at] then return false end
          seen[at] = true
          local place, count = at.place, #steps
          steps[count + 1] = at
          local first = place.queue[place.first]
          -- Whoever would fit waits for the one who stands before him and does not.
          if at.weight + place.taken <= place.capacity and first.party ~= P then steps[count + 2] = first end
          local function step(of, fence)
            if of == P and (place ~= wait.place or fence and fence < wait.number) then return true end
            for _, other in pairs(last[of]) do
              if other ~= wait and isBlocked(other, place, fence) and follow(other) then return true end
            end
            return false
          end
          for _, claim in ipairs(place.counted) do
            if step(claim.party, claim.fence) then return true end
          end
          steps[count + 2], steps[count + 1] = nil, nil
          return false
        end
        if not follow(wait) then return {0} end
        answer = {1}
        for _, at in ipairs(steps) do
          local e = about[at.place.key]
          answer[#answer + 1] = e[3]
          answer[#answer + 1] = e[4]
          answer[#answer + 1] = string.match(at.rest, '^%S+ (.*)$') or ''
        end
        """

    /// Keeps the agent ARGV[1] among the living for ARGV[2] milliseconds more, and removes the entries of those who are
    /// not among them any more.
    ///
    /// Answers 1 where it was among them; where not, its entries may be gone.
    static let keep = Script(
        """
        -- squire waits_for.keep 1
        \(LeaseScripts.time)
        local G = KEYS[1]
        \(index)
        local agents, dead = get('a'), false
        local known = agents[ARGV[1]] and 1 or 0
        agents[ARGV[1]] = now + ARGV[2]
        for other, ends in pairs(agents) do
          if ends <= now then
            agents[other] = nil
            dead = true
          end
        end
        put('a', agents)
        redis.call('PEXPIRE', G, 600000)
        if not dead then return known end
        local all = redis.call('HGETALL', G)
        for i = 1, #all, 2 do
          local word, of = string.match(all[i], '^(%a):(.*)$')
          if word == 'q' then
            for id in pairs(cmsgpack.unpack(all[i + 1])) do
              if not agents[string.sub(id, 1, #ARGV[1])] then leave(of, id) end
            end
          elseif word == 'e' or word == 'p' then
            -- Of an agent of another form.
            redis.call('HDEL', G, all[i])
          end
        end
        return known
        """
    )

    /// Removes that the party ARGV[1] waits in the place with the key ARGV[3], by the agent ARGV[2], which has no other
    /// entry where ARGV[4] is 1.
    static let forget = Script(
        """
        -- squire waits_for.forget 2
        local G = KEYS[1]
        \(index)
        leave(ARGV[1], ARGV[2] .. ARGV[3])
        if ARGV[4] == '1' then
          local agents = get('a')
          agents[ARGV[2]] = nil
          put('a', agents)
        end
        return 1
        """
    )
}
