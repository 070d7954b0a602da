-- The short way of a grant: a first ask while nothing is due, nobody waits and nothing is out of the ordinary. It changes
-- what grant.lua would change, and answers with the fence alone, which is negative under pressure: the caller's settings
-- are the registry's, so it knows the rest.
local id, holder, groupName, settings, wait, waitText, listensText =
  string.match(ARGV[1], '^(%S+) (%S+) (%S+) (%S+) ([01]) (%S+) ([01])$')
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm', ' spec', id, ' g' .. groupName)
local at = clock()
if #ARGV == 1 and not loaded[5] and loaded[4] == settings and loaded[1] == LAYOUT then
  local calm, space, protectMs, idleMs = struct.unpack(CALM, loaded[3])
  local due, now, clockAt, fence, held, groupCount = struct.unpack(PULSE, loaded[2])
  if at > clockAt then now = now + at - clockAt end
  local isNew, taken, max = not loaded[6], 0, NO_MAX
  if not isNew then
    local _
    taken, _, max = struct.unpack('<ddd', loaded[6])
  end
  if calm == 1 and now < due and held < space and taken < max and call('ZCARD', TIMES) == held
    and (not isNew or groupCount < GROUPS - 1) then
    if isNew then
      loaded[6], groupCount = struct.pack(GROUP, 0, 0, NO_MAX, 0, 0, 0, 0, -1), groupCount + 1
      call('HSET', STATE, ' names', (call('HGET', STATE, ' names') or ' ') .. groupName .. ' ')
    end
    fence = math.max(fence + 1, (now - EPOCH) * FENCES)
    local ends = now + protectMs
    if ends + idleMs < due then due = ends + idleMs end
    call('ZADD', TIMES, ends .. '', id)
    call('HSET', STATE, id, struct.pack(LEASE, fence, 0, now, 0, 0, 0, holder, groupName, '-'),
      ' pulse', struct.pack(PULSE, due, now, at, fence, held + 1, groupCount),
      ' g' .. groupName, struct.pack('<d', taken + 1) .. string.sub(loaded[6], 9))
    return held + 1 < space and fence or -fence
  end
end
