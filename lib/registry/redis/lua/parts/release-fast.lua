-- The short way of a release: one held lease, whose connection did not fail, while nothing is due, nobody waits and nothing
-- is out of the ordinary. It changes what release.lua would change.
local words = ARGV
if #ARGV == 1 then words = { string.match(ARGV[1], '^(%S+) (%S+) (%S+) (%S+)$') } end
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm', words[2] or '')
local at = clock()
if #words == 4 and loaded[4] and loaded[1] == LAYOUT and (words[4] == 'closed' or words[4] == 'unused') then
  local calm = struct.unpack(CALM, loaded[3])
  local due, now, clockAt, top, held, groupCount = struct.unpack(PULSE, loaded[2])
  if at > clockAt then now = now + at - clockAt end
  local fence, _, _, probe, flag, loss, holder, groupName = struct.unpack(LEASE, loaded[4])
  if calm == 1 and now < due and probe + flag + loss == 0 and holder == words[1] and fence == tonumber(words[3]) then
    local group = call('HGET', STATE, ' g' .. groupName)
    local taken, min, _, _, _, _, version = struct.unpack('<ddddddd', group)
    local isLast = taken + version == 1
    if not (isLast and min > 0) and call('ZREM', TIMES, words[2]) == 1 then
      if isLast then
        local names, name = call('HGET', STATE, ' names'), ' ' .. groupName .. ' '
        local from, to = string.find(names, name, 1, true)
        call('HDEL', STATE, words[2], ' g' .. groupName)
        call('HSET', STATE, ' pulse', struct.pack(PULSE, due, now, at, top, held - 1, groupCount - 1),
          ' names', string.sub(names, 1, from) .. string.sub(names, to + 1))
      else
        call('HDEL', STATE, words[2])
        call('HSET', STATE, ' pulse', struct.pack(PULSE, due, now, at, top, held - 1, groupCount),
          ' g' .. groupName, struct.pack('<d', taken - 1) .. string.sub(group, 9))
      end
      return 'released'
    end
  end
end
