import EventLoop
import Store
import Valkey

extension TopicScripts {
    /// Settles messages in a consumer's hands.
    ///
    /// ARGV: group, consumer, generation, then of each message its id and the number of its delivery. Answers a character
    /// for each: `1` for done, `2` for one that is not pending at all, `0` for one that is not the consumer's; then a
    /// space and how many others became due.
    static let ack = Script(
        """
        -- squire topic.ack 3
        \(prologue)
        \(functions)
        \(holding)
        local consumer, verdicts, heirs = ARGV[2], {}, 0
        local isSame = redis.call('HGET', state, 'generation') == ARGV[3]
        for i = 4, #ARGV, 2 do
          local isHeld, known, fault = held(consumer, ARGV[i], ARGV[i + 1])
          if isSame and isHeld then
            redis.call('XACK', stream, group, ARGV[i])
            heirs = heirs + settle(ARGV[i])
            verdicts[#verdicts + 1] = '1'
          else
            verdicts[#verdicts + 1] = isSame and not known and not fault and '2' or '0'
          end
        end
        return table.concat(verdicts) .. ' ' .. heirs
        """
    )

    /// Gives messages back.
    ///
    /// ARGV: group, consumer, generation, topic, channels that wake consumers of the group and of its dead letters, the
    /// delay, most deliveries or 0, then as of ``ack``. Answers as ``ack``, where `2` is one that was given back before; the
    /// number is how many were buried.
    static let nack = Script(
        """
        -- squire topic.nack 3
        \(prologue)
        \(functions)
        \(holding)
        local consumer, topic, wake, wake_dead = ARGV[2], ARGV[4], ARGV[5], ARGV[6]
        local delay, most, verdicts = tonumber(ARGV[7]), tonumber(ARGV[8]), {}
        local isSame = redis.call('HGET', state, 'generation') == ARGV[3]
        for i = 9, #ARGV, 2 do
          local isHeld, known = held(consumer, ARGV[i], ARGV[i + 1])
          if isSame and isHeld then
            if most > 0 and known[4] >= most then
              bury(ARGV[i], known[4], 'nacked', topic, wake_dead)
            else
              give_back(ARGV[i], known[4], now + delay)
            end
            verdicts[#verdicts + 1] = '1'
          else
            local isBack = isSame and known and known[2] == 'waiting' and known[4] == tonumber(ARGV[i + 1])
            verdicts[#verdicts + 1] = isBack and '2' or '0'
          end
        end
        redis.call('PUBLISH', wake, '')
        return table.concat(verdicts) .. ' ' .. buried
        """
    )

    /// Prolongs leases.
    ///
    /// ARGV: group, consumer, generation, how long from now, then as of ``ack``, and answers so.
    static let extend = Script(
        """
        -- squire topic.extend 2
        \(prologue)
        \(holding)
        local consumer, verdicts = ARGV[2], {}
        local isSame = redis.call('HGET', state, 'generation') == ARGV[3]
        for i = 5, #ARGV, 2 do
          local isHeld, known = held(consumer, ARGV[i], ARGV[i + 1])
          if isSame and isHeld then
            redis.call('XCLAIM', stream, group, consumer, 0, ARGV[i], 'RETRYCOUNT', known[4], 'JUSTID')
            redis.call('ZADD', due, now + ARGV[4], sorting(ARGV[i]))
            verdicts[#verdicts + 1] = '1'
          else
            verdicts[#verdicts + 1] = '0'
          end
        end
        return table.concat(verdicts) .. ' 0'
        """
    )

    /// Ends a consumer: what is in its hands is given back at once, and what it never saw without counting.
    ///
    /// ARGV: group, consumer, topic, channels that wake consumers of the group and of its dead letters, most deliveries or
    /// 0, the agent's name where this was its last consumer, else nothing; then of each message that it has seen the id and
    /// the number of its delivery. Answers how many messages were buried.
    static let release = Script(
        """
        -- squire topic.release 3
        \(prologue)
        \(functions)
        local consumer, most, agent, seen, given = ARGV[2], tonumber(ARGV[6]), ARGV[7], {}, 0
        for i = 8, #ARGV, 2 do seen[ARGV[i]] = tonumber(ARGV[i + 1]) end
        repeat
          local page = redis.pcall('XPENDING', stream, group, '-', '+', 500, consumer)
          if page.err then return string.find(page.err, 'NOGROUP', 1, true) and 0 or page end
          for _, known in ipairs(page) do
            if (seen[known[1]] or 0) < known[4] then
              give_back(known[1], math.max(known[4] - 1, 0), now)
            elseif most > 0 and known[4] >= most then
              bury(known[1], known[4], 'disconnected', ARGV[3], ARGV[5])
            else
              give_back(known[1], known[4], now)
            end
            given = given + 1
          end
        until #page == 0
        redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
        if agent ~= '' then
          local others = 0
          for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
            if string.match(one[2], '^(.*)%.%d+$') == agent then others = others + 1 end
          end
          if others == 0 then redis.call('HDEL', state, 'a' .. agent) end
        end
        if given > 0 then redis.call('PUBLISH', ARGV[4], '') end
        return buried
        """
    )
}
