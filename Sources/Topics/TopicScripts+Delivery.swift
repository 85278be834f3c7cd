import EventLoop
import Store
import Valkey

extension TopicScripts {
    /// Messages that are parked at most; beyond, nothing new is read until some were settled.
    ///
    /// A group looks past messages whose key is taken for others that can be delivered, but not without end.
    static let parkedMax = 20_000
    /// Messages that one call reads at most, delivered or parked.
    static let readMax = 1024

    /// Has a consumer take part in a group: makes the group where there is none.
    ///
    /// ARGV: group, where a new group begins, consumer, agent. Answers generation, forced trims, and whether the group is
    /// new.
    static let join = Script(
        """
        -- squire topic.join 3
        \(prologue)
        \(functions)
        \(beginnings)
        local created = attend(ARGV[2])
        if type(created) == 'table' then return created end
        -- A server at its maxmemory allows what follows behind a write that needs none.
        redis.call('XACK', stream, group, '0-0')
        redis.call('XGROUP', 'CREATECONSUMER', stream, group, ARGV[3])
        redis.call('HSET', state, 'a' .. ARGV[4], now)
        return { redis.call('HGET', state, 'generation'), tonumber(redis.call('HGET', state, 'trimmed') or 0), created }
        """
    )

    /// Delivers messages to consumers of one agent: first those that are due again, then new ones.
    ///
    /// ARGV: group, topic, channel that wakes consumers of the dead letters, bytes of messages wanted, longest message, the
    /// agent's name where it is to be noted that it is there, else nothing; then of each consumer its name, how many
    /// messages it takes, how long it has them, and its most deliveries, 0 for no end. Answers generation, forced trims, in
    /// how many milliseconds something is due (-1 for nothing), whether there may be more at once, how many were buried,
    /// and the messages: index of the consumer from 0, id, deliveries, and the entry's fields.
    static let fetch = Script(
        """
        -- squire topic.fetch 3
        \(prologue)
        \(functions)
        \(beginnings)
        local topic, wake, budget, longest, agent = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
        local consumers, credit = {}, 0
        for i = 7, #ARGV, 4 do
          consumers[#consumers + 1] = {
            index = #consumers, name = ARGV[i], credit = tonumber(ARGV[i + 1]), ack = tonumber(ARGV[i + 2]),
            most = tonumber(ARGV[i + 3])
          }
          credit = credit + consumers[#consumers].credit
        end
        local created = attend('0')
        if type(created) == 'table' then return created end
        local turn, out, more = 0, {}, 0
        local function pick()
          for _ = 1, #consumers do
            turn = turn % #consumers + 1
            if consumers[turn].credit > 0 then return consumers[turn] end
          end
        end
        local function weigh(entry)
          local bytes = 0
          for _, word in ipairs(entry) do bytes = bytes + #word end
          return bytes
        end
        local function lease(consumer, id, count, entry)
          redis.call('ZADD', due, now + consumer.ack, sorting(id))
          consumer.credit = consumer.credit - 1
          credit = credit - 1
          budget = budget - weigh(entry)
          out[#out + 1] = { consumer.index, id, count, entry }
        end
        local again = {}
        if credit > 0 then
          again = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, math.min(credit, \(readMax)))
        end
        for _, sorted in ipairs(again) do
          if budget <= 0 then break end
          local id = plain(sorted)
          local consumer = pick()
          local known = redis.call('XPENDING', stream, group, id, id, 1)[1]
          if not known then
            settle(id)
          elseif consumer.most > 0 and known[4] >= consumer.most then
            bury(id, known[4], known[2] == 'waiting' and 'exceeded' or 'expired', topic, wake)
          else
            local entry = redis.call('XCLAIM', stream, group, consumer.name, 0, id)[1]
            if not entry then
              redis.call('XACK', stream, group, id)
              settle(id)
            elseif weigh(entry[2]) > longest then
              bury(id, known[4], 'too_large', topic, wake)
            else
              lease(consumer, id, known[4] + 1, entry[2])
            end
          end
        end
        local reads, step = 0, 1
        local isHeld = redis.call('ZCARD', parked) >= \(parkedMax)
        while credit > 0 and budget > 0 and not isHeld and reads < \(readMax) do
          local consumer = pick()
          local wanted = consumer.credit == credit and math.min(step, credit) or 1
          local found = redis.call(
            'XREADGROUP', 'GROUP', group, consumer.name, 'COUNT', wanted, 'STREAMS', stream, '>')
          if not found then break end
          local largest = 0
          for _, entry in ipairs(found[1][2]) do
            local id, bytes = entry[1], weigh(entry[2])
            reads = reads + 1
            largest = math.max(largest, bytes)
            if not admit(id, order(entry[2])) then
              give_back(id, 0)
            elseif bytes > longest then
              bury(id, 0, 'too_large', topic, wake)
            elseif budget <= 0 then
              give_back(id, 0, now)
            else
              lease(consumer, id, 1, entry[2])
            end
          end
          step = largest <= 8192 and math.min(step * 2, 16) or 1
        end
        if reads >= \(readMax) or budget <= 0 then more = 1 end
        if agent ~= '' then redis.pcall('HSET', state, 'a' .. agent, now) end
        local first, wait = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES'), -1
        if first[2] then wait = math.max(0, math.ceil(first[2] - now)) end
        local generation, trimmed = unpack(redis.call('HMGET', state, 'generation', 'trimmed'))
        return { generation, tonumber(trimmed or 0), wait, more, buried, out }
        """
    )

    /// Takes back what a consumer was given and never saw: its delivery does not count.
    ///
    /// ARGV: group, consumer, then of each message that it has seen the id and the number of its delivery. Answers how
    /// many it has not.
    static let recover = Script(
        """
        -- squire topic.recover 3
        \(prologue)
        \(functions)
        local seen, from, taken = {}, '-', 0
        for i = 3, #ARGV, 2 do seen[ARGV[i]] = tonumber(ARGV[i + 1]) end
        repeat
          local page = redis.pcall('XPENDING', stream, group, from, '+', 500, ARGV[2])
          if page.err then return string.find(page.err, 'NOGROUP', 1, true) and 0 or page end
          for _, known in ipairs(page) do
            if (seen[known[1]] or 0) < known[4] then
              give_back(known[1], math.max(known[4] - 1, 0), now)
              taken = taken + 1
            end
            from = '(' .. known[1]
          end
        until #page < 500
        return taken
        """
    )

    /// Removes consumers of agents that are there no more and have nothing, and forgets those agents.
    ///
    /// ARGV: group, after how many milliseconds an agent counts as gone. Answers how many consumers went.
    static let sweep = Script(
        """
        -- squire topic.sweep 2
        \(prologue)
        \(progress)
        local consumers, gone = redis.pcall('XINFO', 'CONSUMERS', stream, group), 0
        if consumers.err then return 0 end
        for _, one in ipairs(consumers) do
          local info = fields(one)
          local agent = string.match(info['name'], '^(.*)%.%d+$')
          if agent and info['pending'] == 0 and not is_there(state, agent, tonumber(ARGV[2]), now) then
            redis.call('XGROUP', 'DELCONSUMER', stream, group, info['name'])
            redis.call('HDEL', state, 'a' .. agent)
            gone = gone + 1
          end
        end
        return gone
        """
    )
}
