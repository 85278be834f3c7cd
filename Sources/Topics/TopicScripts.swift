import EventLoop
import Store
import Valkey

/// The Lua scripts of topics; all keys of a call lie in the topic's slot.
///
/// A topic is a stream; a group of it is a consumer group of Valkey's and three keys beside it:
///
/// - *state*, a hash: `generation` names this life of the group, `trimmed` counts forced trims that passed it, `k<digest>`
///   is the message that holds an order key, `i<id>` the digest of the key that a message holds, `a<agent>` when an agent
///   was there last.
/// - *due*, a sorted set: every message that was delivered or waits for its next delivery, by the time from which on it
///   may be delivered again, those of one millisecond by their ids: as both numbers have 20 places, they sort as text. A
///   message in a consumer's hands is due when its lease ends.
/// - *parked*, a sorted set: the messages behind one that holds their order key, by key and id.
///
/// Every message that the group has read and nobody has acked is pending in Valkey's own list, and in due or parked.
/// Those in nobody's hands belong to the consumer `waiting`. Valkey's count of deliveries is ours.
///
/// Each script writes first what a server at its `maxmemory` still allows, or what it refuses as a whole, so none is ever
/// carried out by half.
@EventLoop
enum TopicScripts {
    static let all = [publish, trim, inspect, deleteGroup, join, fetch, recover, sweep, ack, nack, extend, release]

    /// Fields of an entry from which on only `message` and `order_key` of it go to the dead letters.
    ///
    /// A script can hand a command some eight thousand words.
    nonisolated static let fieldsMax = 2000

    /// The error by which ``publish`` says that the topic is full.
    nonisolated static let full: StaticString = "SQUIREFULL"
    /// The error by which ``deleteGroup`` says that somebody is subscribed.
    nonisolated static let busy: StaticString = "SQUIREBUSY"

    /// Names of a group's keys and the time; KEYS are stream, state, due, parked, dead.
    ///
    /// `sorting` makes of an id text that sorts as ids do, and `plain` the id of that.
    static let prologue = """
        local stream, state, due, parked, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
        local group = ARGV[1]
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local function sorting(id)
          local ms, number = string.match(id, '^(%d+)-(%d+)$')
          return string.format('%20s-%20s', ms, number)
        end
        local function plain(sorted)
          return (string.gsub(sorted, ' ', ''))
        end
        """

    /// Functions on messages of a group.
    ///
    /// `give_back` puts a message into nobody's hands; `admit` has a message wait its turn behind its order key, or take
    /// the key; `settle` lets a message go, and the next one of its key come; `bury` moves it to the dead letters, of an
    /// entry with very many fields only what tells which one it was.
    static let functions = """
        local buried = 0
        local function order(fields)
          for i = 1, #fields, 2 do if fields[i] == 'order_key' then return redis.sha1hex(fields[i + 1]) end end
        end
        local function give_back(id, count, at)
          redis.call('XCLAIM', stream, group, 'waiting', 0, id, 'RETRYCOUNT', count, 'JUSTID')
          if at then redis.call('ZADD', due, at, sorting(id)) end
        end
        local function admit(id, key)
          if not key then return true end
          if redis.call('HEXISTS', state, 'k' .. key) == 1 then
            redis.call('ZADD', parked, 0, key .. ' ' .. sorting(id))
            return false
          end
          redis.call('HSET', state, 'k' .. key, id, 'i' .. id, key)
          return true
        end
        local function settle(id)
          redis.call('ZREM', due, sorting(id))
          local key = redis.call('HGET', state, 'i' .. id)
          if not key then return 0 end
          redis.call('HDEL', state, 'i' .. id)
          local after = redis.call('ZRANGEBYLEX', parked, '[' .. key .. ' ', '(' .. key .. '!', 'LIMIT', 0, 1)[1]
          if not after then
            redis.call('HDEL', state, 'k' .. key)
            return 0
          end
          redis.call('ZREM', parked, after)
          local heir = plain(string.sub(after, 41))
          redis.call('HSET', state, 'k' .. key, heir, 'i' .. heir, key)
          redis.call('ZADD', due, now, sorting(heir))
          return 1
        end
        local function bury(id, count, reason, topic, wake)
          give_back(id, count)
          local entry = redis.call('XRANGE', stream, id, id)[1]
          if entry then
            local words, count_of = { 'XADD', dead, '*' }, #entry[2] / 2
            local told = { 'topic', topic, 'group', group, 'id', id, 'deliveries', count, 'reason', reason }
            if count_of > \(fieldsMax) then
              told[#told + 1] = 'fields'
              told[#told + 1] = string.format('%.0f', count_of)
            end
            for i = 1, #entry[2], 2 do
              local name = entry[2][i]
              local isKept = count_of <= \(fieldsMax) or name == 'message' or name == 'order_key'
              if isKept and #words < 2 * \(fieldsMax) and string.sub(name, 1, 5) ~= 'dead_' then
                words[#words + 1] = name
                words[#words + 1] = entry[2][i + 1]
              end
            end
            for i = 1, #told, 2 do
              words[#words + 1] = 'dead_' .. told[i]
              words[#words + 1] = told[i + 1]
            end
            redis.call(unpack(words))
            redis.call('PUBLISH', wake, '')
            buried = buried + 1
          end
          redis.call('XACK', stream, group, id)
          settle(id)
        end
        """

    /// Functions on a group as a whole: `begin` makes it, `rebuild` makes the keys beside it from Valkey's own list, and
    /// `attend` sees to it that the group and its keys are there; it answers an error, or whether the group is new.
    static let beginnings = """
        local function name_generation()
          redis.call('HSET', state, 'generation', string.format('%.0f', time[1] * 1000000 + time[2]))
        end
        local function begin(position)
          local made = redis.pcall('XGROUP', 'CREATE', stream, group, position, 'MKSTREAM')
          if made.err then return made end
          redis.call('XGROUP', 'CREATECONSUMER', stream, group, 'waiting')
          redis.call('UNLINK', state, due, parked)
          name_generation()
        end
        local function rebuild()
          redis.call('XGROUP', 'CREATECONSUMER', stream, group, 'waiting')
          redis.call('UNLINK', state, due, parked)
          local from, page = '-', nil
          repeat
            page = redis.call('XPENDING', stream, group, from, '+', 500)
            for _, known in ipairs(page) do
              local id = known[1]
              local entry = redis.call('XRANGE', stream, id, id)[1]
              if entry then
                give_back(id, known[4], admit(id, order(entry[2])) and now or nil)
              else
                redis.call('XACK', stream, group, id)
              end
              from = '(' .. id
            end
          until #page < 500
          name_generation()
        end
        local function attend(position)
          local known = redis.pcall('XPENDING', stream, group, '-', '+', 1)
          if known.err then
            if not string.find(known.err, 'NOGROUP', 1, true) then return known end
            return begin(position) or 1
          end
          if redis.call('HEXISTS', state, 'generation') == 0 or #known > 0 and redis.call('EXISTS', due) == 0 then
            rebuild()
          end
          return 0
        end
        """

    /// `held` answers whether a message is in a consumer's hands by its delivery of that number, and how it stands else.
    static let holding = """
        local function held(consumer, id, count)
          local known = redis.pcall('XPENDING', stream, group, id, id, 1)
          if known.err then return false, nil, known end
          known = known[1]
          if not known then return false, nil end
          return known[2] == consumer and known[4] == tonumber(count), known
        end
        """

    /// `slowest` answers the first id of a stream that a group has not handled, nil where there is no group; `less`
    /// orders ids; `live_ones` counts the consumers of agents that are there.
    static let progress = """
        local function fields(flat)
          local named = {}
          for i = 1, #flat, 2 do named[flat[i]] = flat[i + 1] end
          return named
        end
        local function less(a, b)
          local am, as = string.match(a, '^(%d+)-(%d+)$')
          local bm, bs = string.match(b, '^(%d+)-(%d+)$')
          if am ~= bm then return tonumber(am) < tonumber(bm) end
          return tonumber(as) < tonumber(bs)
        end
        local function is_there(state, agent, patience, now)
          return now - (redis.call('HGET', state, 'a' .. agent) or 0) < patience
        end
        local function live_ones(consumers, state, patience, now)
          local live = 0
          for _, one in ipairs(consumers) do
            local agent = string.match(fields(one)['name'], '^(.*)%.%d+$')
            if agent and is_there(state, agent, patience, now) then live = live + 1 end
          end
          return live
        end
        local function needed(stream, info)
          if info['pending'] > 0 then return redis.call('XPENDING', stream, info['name'])[2] end
          local ms, number = string.match(info['last-delivered-id'], '^(%d+)-(%d+)$')
          return ms .. '-' .. string.format('%.0f', number + 1)
        end
        local function slowest(stream)
          local limit = nil
          for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
            local id = needed(stream, fields(flat))
            if not limit or less(id, limit) then limit = id end
          end
          return limit
        end
        """
}
