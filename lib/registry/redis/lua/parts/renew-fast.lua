-- The short way of a renewal: held leases that are not told to yield, while nothing is due, nobody waits, there is room and
-- nothing is out of the ordinary. It changes what renew.lua would change.
local fields = { 'HMGET', STATE, 'schema', ' pulse', ' calm' }
if ARGV[2] == '-' then
  for i = 3, #ARGV, 5 do fields[#fields + 1] = ARGV[i] end
end
local loaded = call(unpack(fields))
local at = clock()

-- Nothing is written before every lease is known to be ordinary.
local function renew_all(protectMs, now, pulse, dutyMs)
  local times, records, outcomes, seen = { 'ZADD', TIMES }, { 'HSET', STATE }, {}, {}
  for i = 3, #ARGV, 5 do
    local id, text = ARGV[i], loaded[3 + (i + 2) / 5]
    if not text or seen[id] then return nil end
    seen[id] = true
    local fence, turn, grantedAt, probe, flag, loss, holder, group, session = struct.unpack(LEASE, text)
    if flag + loss > 0 or holder ~= ARGV[1] or fence ~= tonumber(ARGV[i + 1]) or tonumber(ARGV[i + 2]) <= turn then return nil end
    if session == '-' then session = ARGV[i + 3] end
    local n = #times
    times[n + 1], times[n + 2] = now + protectMs .. '', id
    records[n + 1], records[n + 2] = id, struct.pack(LEASE, fence, tonumber(ARGV[i + 2]), grantedAt, probe, 0, 0, holder, group, session)
    outcomes[#outcomes + 1] = { 'held', protectMs, 0 }
  end
  if #outcomes == 0 then return nil end
  records[#records + 1], records[#records + 2] = ' pulse', pulse
  call(unpack(times))
  call(unpack(records))
  return { 'renewed', 0, math.floor(protectMs / 3), dutyMs, outcomes, {}, {}, {} }
end

if ARGV[2] == '-' and loaded[1] == LAYOUT then
  local calm, space, protectMs, _, dutyMs = struct.unpack(CALM, loaded[3])
  local due, now, clockAt, fence, held, groupCount = struct.unpack(PULSE, loaded[2])
  if at > clockAt then now = now + at - clockAt end
  if calm == 1 and now < due and held < space then
    local reply = renew_all(protectMs, now, struct.pack(PULSE, due, now, at, fence, held, groupCount), dutyMs)
    if reply then return reply end
  end
end
