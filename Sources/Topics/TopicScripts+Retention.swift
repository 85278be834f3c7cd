import EventLoop
import Store
import Valkey

extension TopicScripts {
    /// Entries that one call removes at most where whole nodes of the stream go.
    static let trimMax = 10_000
    /// Entries from which on one publication to a full topic lets go of no more.
    static let freedMax = 50_000
    /// After how many milliseconds without a word an agent counts as gone.
    static let agentGoneMilliseconds = 30_000

    /// Publishes to the stream KEYS[1], once for the record KEYS[2]; answers the message's id.
    ///
    /// ARGV[1] and ARGV[2] belong to ``RememberedRequest``; then most messages, channel that wakes consumers, message,
    /// and where it has one its order key.
    static let publish = Script(
        """
        -- squire topic.publish 3
        \(RememberedRequest.luaRecall)
        \(progress)
        local most = tonumber(ARGV[3])
        local excess = redis.call('XLEN', KEYS[1]) - most + 1
        if excess > 0 then
          -- Where so much is to go, the next publication lets go of more.
          local limit, left = slowest(KEYS[1]), math.min(excess, \(freedMax))
          while limit and left > 0 do
            local gone = redis.call('XTRIM', KEYS[1], 'MINID', '~', limit, 'LIMIT', math.min(left, 1000))
            if gone == 0 then
              -- What is left ends within one node of the stream.
              local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
              if not first or not less(first[1], limit) then break end
              gone = redis.call('XDEL', KEYS[1], first[1])
            end
            left = left - gone
          end
          if left > 0 then return redis.error_reply('\(full) the topic is full') end
        end
        local outcome
        if ARGV[6] then
          outcome = redis.call('XADD', KEYS[1], '*', 'message', ARGV[5], 'order_key', ARGV[6])
        else
          outcome = redis.call('XADD', KEYS[1], '*', 'message', ARGV[5])
        end
        redis.call('PUBLISH', ARGV[4], '')
        \(RememberedRequest.luaRemember)
        return outcome
        """
    )

    /// Removes the oldest entries of the stream KEYS[1], a bounded number.
    ///
    /// ARGV: `length` or `age`, how many entries stay or how many milliseconds, `1` to pass groups that have not handled
    /// them, what the names of groups' states begin with, channel that wakes consumers. Answers how many went.
    static let trim = Script(
        """
        -- squire topic.trim 1
        \(progress)
        local stream = KEYS[1]
        local length = redis.call('XLEN', stream)
        if length == 0 then return 0 end
        local isForced, limit, excess = ARGV[3] == '1', nil, length
        if not isForced then limit = slowest(stream) end
        if ARGV[1] == 'length' then
          excess = length - ARGV[2]
        else
          local time = redis.call('TIME')
          local oldest = string.format('%.0f-0', math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]))
          if not limit or less(oldest, limit) then limit = oldest end
        end
        if excess <= 0 then return 0 end
        local groups = {}
        if isForced then
          for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
            local info = fields(flat)
            local first = redis.call('XRANGE', stream, needed(stream, info), '+', 'COUNT', 1)[1]
            if first then groups[#groups + 1] = { info['name'], first[1] } end
          end
        end
        local gone
        if limit then
          gone = redis.call('XTRIM', stream, 'MINID', '~', limit, 'LIMIT', math.min(excess, \(trimMax)))
        else
          gone = redis.call('XTRIM', stream, 'MAXLEN', '~', length - excess, 'LIMIT', math.min(excess, \(trimMax)))
        end
        if gone == 0 then
          -- What is left ends within one node of the stream.
          while gone < math.min(excess, 200) do
            local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
            if not first or limit and not less(first[1], limit) then break end
            redis.call('XDEL', stream, first[1])
            gone = gone + 1
          end
        end
        for _, group in ipairs(groups) do
          local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
          if not first or less(group[2], first[1]) then
            redis.call('HINCRBY', ARGV[4] .. group[1], 'trimmed', 1)
            redis.call('PUBLISH', ARGV[5], '')
          end
        end
        return gone
        """
    )

    /// Tells of the stream KEYS[1]: its length, and of each group name, pending, lag or nothing, and consumers.
    ///
    /// ARGV: what the names of groups' states begin with, and of groups' parked messages; after how many milliseconds an
    /// agent counts as gone. A message that Valkey counts as pending and nobody was given counts as lag.
    static let inspect = Script(
        """
        -- squire topic.inspect 2
        \(progress)
        local length = redis.call('XLEN', KEYS[1])
        local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
        if groups.err then return { length } end
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local out = { length }
        local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
        local function lag_of(info)
          local next = redis.pcall('XRANGE', KEYS[1], '(' .. info['last-delivered-id'], '+', 'COUNT', 1)
          if next.err or not next[1] then return 0 end
          if next[1][1] == first[1] then return length end
          -- Valkey counts what was trimmed before it was read.
          local trims = redis.call('HGET', ARGV[1] .. info['name'], 'trimmed')
          if trims or not info['lag'] or info['lag'] > length then return nil end
          return info['lag']
        end
        for _, flat in ipairs(groups) do
          local info = fields(flat)
          local consumers = redis.call('XINFO', 'CONSUMERS', KEYS[1], info['name'])
          local live = live_ones(consumers, ARGV[1] .. info['name'], tonumber(ARGV[3]), now)
          local parked = redis.call('ZCARD', ARGV[2] .. info['name'])
          local lag = lag_of(info)
          out[#out + 1] = { info['name'], info['pending'] - parked, lag and lag + parked or false, live }
        end
        return out
        """
    )

    /// Removes a group, unless somebody is subscribed; answers whether there was one.
    ///
    /// KEYS: stream, state, due, parked. ARGV: group, after how many milliseconds an agent counts as gone.
    static let deleteGroup = Script(
        """
        -- squire topic.delete_group 1
        \(progress)
        local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
        if consumers.err then
          if string.find(consumers.err, 'NOGROUP', 1, true) or string.find(consumers.err, 'no such key', 1, true) then
            return 0
          end
          return consumers
        end
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        if live_ones(consumers, KEYS[2], tonumber(ARGV[2]), now) > 0 then
          return redis.error_reply('\(busy) somebody is subscribed')
        end
        redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
        return redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
        """
    )
}
