-- The short way of a release: one held lease, whose connection did not fail, while nothing is due, nobody waits and nothing
-- is out of the ordinary. It changes what release.lua would change.
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec', ARGV[2])
local at = clock()
if #ARGV == 4 and loaded[5] and loaded[1] == LAYOUT and (ARGV[4] == 'closed' or ARGV[4] == 'unused') then
  local calm = struct.unpack('<d', loaded[3])
  local due, now, clockAt, top, held = struct.unpack(PULSE, loaded[2])
  if at > clockAt then now = now + at - clockAt end
  local fence, _, _, probe, flag, loss, holder, groupName = struct.unpack(LEASE, loaded[5])
  if calm == 1 and now < due and probe + flag + loss == 0 and holder == ARGV[1] and fence == tonumber(ARGV[3]) then
    local group = call('HGET', STATE, ' g' .. groupName)
    local taken, _, _, _, _, _, version = struct.unpack('<ddddddd', group)
    -- A group's last lease may take its record along.
    if taken + version > 1 and call('ZREM', TIMES, ARGV[2]) == 1 then
      call('HDEL', STATE, ARGV[2])
      call('HSET', STATE, ' pulse', struct.pack(PULSE, due, now, at, top, held - 1),
        ' g' .. groupName, struct.pack('<d', taken - 1) .. string.sub(group, 9))
      return 'released'
    end
  end
end
