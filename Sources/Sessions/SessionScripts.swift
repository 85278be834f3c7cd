import EventLoop
import Sealing
import Store
import Valkey

/// The Lua scripts of sessions; all keys of a call lie in one slot, those of a subject's sessions included.
///
/// A script reads heads of envelopes and never a ciphertext. Offsets are those of ``Envelope``, counted from 1.
@EventLoop
enum SessionScripts {
    static let all = [create, replace, touch, rotate, destroy, list, destroyAll, aside, indexKey, claim, disclaim]

    /// Functions that several scripts share.
    ///
    /// `living` gives name and head of each session of an index and takes everything else out of it; `bury` puts a
    /// tombstone in a session's place, for its idle time and no longer than it might have lived, so that nothing that began
    /// before writes it back.
    private static let functions = """
        local function living(index, stem)
          local live = {}
          for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
            local head = redis.pcall('GETRANGE', stem .. member, 0, 103)
            if type(head) == 'string' and #head == 104 and string.byte(head, 1) == 1 and string.byte(head, 3) == 1 then
              live[#live + 1] = { member, head }
            else
              redis.call('ZREM', index, member)
            end
          end
          return live
        end
        local function bury(name, head)
          local idle = 86400000
          if #head == 104 then
            local now = redis.call('TIME')
            local left = struct.unpack('>I8', head, 57) - now[1] * 1000
            idle = math.min(struct.unpack('>I8', head, 65), left)
          end
          idle = math.min(math.max(idle, 1000), 315360000000)
          redis.call('SET', name, '\\0', 'PX', string.format('%.0f', idle))
        end
        local function extend(index, expires)
          local now = redis.call('TIME')
          local ends = redis.call('PTTL', index) + now[1] * 1000
          if ends < tonumber(expires) + 1000 then redis.call('PEXPIREAT', index, string.format('%.0f', expires + 1000)) end
        end
        """

    /// Begins the session KEYS[1], in the index KEYS[2] where it has a subject, within the bound on its sessions.
    ///
    /// ARGV[1] and ARGV[2] belong to ``RememberedRequest``, whose record is the last key where ARGV[3] is `1`. ARGV[4] is
    /// the envelope, ARGV[5] when it ends, ARGV[6] the outcome to remember. With a subject: ARGV[7] most sessions, ARGV[8]
    /// `1` to refuse one more and `0` to end the oldest, ARGV[9] what session keys begin with, ARGV[10] the member,
    /// ARGV[11] when the session began, ARGV[12] when it ends at the latest. Answers how many were ended, -1 for refused,
    /// or the remembered outcome.
    static let create = Script(
        """
        -- squire session.create 1
        \(functions)
        local record = ARGV[3] == '1' and KEYS[#KEYS] or nil
        \(RememberedRequest.luaRecall(record: "record"))
        local index = #KEYS - (record and 1 or 0) == 2 and KEYS[2] or nil
        local ended = 0
        if index then
          local live = living(index, ARGV[9])
          while #live - ended >= tonumber(ARGV[7]) do
            if ARGV[8] == '1' then return -1 end
            ended = ended + 1
            local oldest = live[ended]
            bury(ARGV[9] .. oldest[1], oldest[2])
            redis.call('ZREM', index, oldest[1])
          end
          redis.call('ZADD', index, ARGV[11], ARGV[10])
          extend(index, ARGV[12])
        end
        redis.call('SET', KEYS[1], ARGV[4], 'PXAT', ARGV[5])
        local outcome = ARGV[6]
        \(RememberedRequest.luaRemember(record: "record"))
        return ended
        """
    )

    /// Puts the envelope ARGV[2] in the place of the session KEYS[1] whose nonce is ARGV[1]; answers whether it did.
    ///
    /// It ends at ARGV[3]; where that is empty, life and the time of last use stay what they are.
    static let replace = Script(
        """
        -- squire session.replace 1
        local head = redis.call('GETRANGE', KEYS[1], 0, 103)
        if #head < 104 or string.sub(head, 29, 40) ~= ARGV[1] then return 0 end
        if ARGV[3] == '' then
          local kept = string.sub(ARGV[2], 1, 96) .. string.sub(head, 97, 104) .. string.sub(ARGV[2], 105)
          redis.call('SET', KEYS[1], kept, 'KEEPTTL')
        else
          redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
        end
        return 1
        """
    )

    /// Takes note that the session KEYS[1] was used at ARGV[1], eight bytes, and so ends at ARGV[2].
    static let touch = Script(
        """
        -- squire session.touch 1
        local head = redis.call('GETRANGE', KEYS[1], 0, 103)
        if #head < 104 or string.byte(head, 1) ~= 1 or string.byte(head, 3) ~= 1 then return 0 end
        redis.call('SETRANGE', KEYS[1], 96, ARGV[1])
        return redis.call('PEXPIREAT', KEYS[1], ARGV[2])
        """
    )

    /// Moves the session KEYS[1], whose nonce is ARGV[4], to KEYS[2]; answers whether it did, or the remembered outcome.
    ///
    /// ARGV[1] to ARGV[3] are as of ``create``. ARGV[5] is the new envelope, ARGV[6] when it ends, ARGV[7] the outcome to
    /// remember, ARGV[8] the grace record or nothing, ARGV[9] when it ends. With the subject's index as KEYS[3]:
    /// ARGV[10] the old member, ARGV[11] the new one, ARGV[12] when the session began, ARGV[13] its last end.
    static let rotate = Script(
        """
        -- squire session.rotate 1
        \(functions)
        local record = ARGV[3] == '1' and KEYS[#KEYS] or nil
        \(RememberedRequest.luaRecall(record: "record"))
        local index = #KEYS - (record and 1 or 0) == 3 and KEYS[3] or nil
        local head = redis.call('GETRANGE', KEYS[1], 0, 103)
        if #head < 104 or string.sub(head, 29, 40) ~= ARGV[4] then return 0 end
        redis.call('SET', KEYS[2], ARGV[5], 'PXAT', ARGV[6])
        if ARGV[8] ~= '' then
          redis.call('SET', KEYS[1], ARGV[8], 'PXAT', ARGV[9])
        else
          bury(KEYS[1], head)
        end
        if index then
          redis.call('ZREM', index, ARGV[10])
          redis.call('ZADD', index, ARGV[12], ARGV[11])
          extend(index, ARGV[13])
        end
        local outcome = ARGV[7]
        \(RememberedRequest.luaRemember(record: "record"))
        return 1
        """
    )

    /// Ends the session KEYS[1], forgets its copy KEYS[2], and takes ARGV[1] out of the index KEYS[3], where there is one.
    ///
    /// What lies there need not be readable. Answers 1 where it was something else than a grace record or a tombstone. A
    /// grace record stays, and -1 is the answer, unless ARGV[2] is `1`: the session that it leads to is to be ended.
    static let destroy = Script(
        """
        -- squire session.destroy 2
        \(functions)
        local head = redis.pcall('GETRANGE', KEYS[1], 0, 103)
        if type(head) ~= 'string' then head = '?' end
        if ARGV[2] ~= '1' and #head == 104 and string.sub(head, 1, 4) == '\\1\\1\\2\\0' then return -1 end
        redis.call('UNLINK', KEYS[2])
        if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[1]) end
        if #head == 0 or head == '\\0' then return 0 end
        bury(KEYS[1], head)
        return string.byte(head, 3) == 2 and 0 or 1
        """
    )

    /// Name and head of each session in the index KEYS[1], one after the other; ARGV[1] begins their keys' names.
    static let list = Script(
        """
        -- squire session.list 1
        \(functions)
        local found = {}
        for _, session in ipairs(living(KEYS[1], ARGV[1])) do
          found[#found + 1] = session[1]
          found[#found + 1] = session[2]
        end
        return found
        """
    )

    /// Ends the sessions in the index KEYS[1] but the member ARGV[2]; ARGV[1] begins their keys' names.
    ///
    /// Answers how many, or -1 and ends none where that member is a grace record: the session lives under another name.
    static let destroyAll = Script(
        """
        -- squire session.destroy_all 2
        \(functions)
        if ARGV[2] ~= '' then
          local head = redis.pcall('GETRANGE', ARGV[1] .. ARGV[2], 0, 103)
          if type(head) == 'string' and #head == 104 and string.byte(head, 3) == 2 then return -1 end
        end
        local ended = 0
        for _, session in ipairs(living(KEYS[1], ARGV[1])) do
          if session[1] ~= ARGV[2] then
            bury(ARGV[1] .. session[1], session[2])
            redis.call('ZREM', KEYS[1], session[1])
            ended = ended + 1
          end
        end
        return ended
        """
    )

    /// Keeps a copy of the string KEYS[1] as KEYS[2] for ARGV[1] milliseconds, unless there is one.
    static let aside = Script(
        """
        -- squire session.aside 1
        local record = redis.pcall('GET', KEYS[1])
        if type(record) == 'string' then redis.call('SET', KEYS[2], record, 'PX', ARGV[1], 'NX') end
        return 1
        """
    )

    /// Writes the fields and values of ARGV into the hash KEYS[1] where it has none; answers whether it did.
    static let indexKey = Script(
        """
        -- squire session.index_key 1
        if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
        redis.call('HSET', KEYS[1], unpack(ARGV))
        return 1
        """
    )

    /// Has the record KEYS[1] say for ARGV[2] milliseconds that its request came with the parameters of the digest ARGV[1].
    static let claim = Script(
        """
        -- squire session.claim 1
        local known = redis.call('GET', KEYS[1])
        if not known then
          redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        elseif known ~= ARGV[1] then
          return redis.error_reply('\(RememberedRequest.mismatch) the request was made with other parameters')
        end
        return 1
        """
    )

    /// Forgets what ``claim`` wrote into KEYS[1] with the digest ARGV[1].
    static let disclaim = Script(
        """
        -- squire session.disclaim 1
        if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('UNLINK', KEYS[1]) end
        return 1
        """
    )
}
