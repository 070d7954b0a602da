-- What every transition starts with: the names of the keys, the state, and the steps that several transitions share.
-- Times are milliseconds of the registry's own `now`; the twin of each function is in memory-resource.ts.
--
-- KEYS[1] state     hash: schema, spec (the settings), now, clock, counters
-- KEYS[2] held      sorted set: lease id by the end of its protection
-- KEYS[3] records   hash: lease id to its record, held and revoking alike
-- KEYS[4] revoking  sorted set: lease id by the moment its duty can be taken
-- KEYS[5] queue     sorted set: ticket by order stamp
-- KEYS[6] alive     sorted set: ticket by the end of its liveness
-- KEYS[7] clock     see clock.lua
local STATE, HELD, RECORDS, REVOKING, QUEUE, ALIVE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local SCHEMA = 1
local EPOCH, FENCES, STAMPS = 1767225600000, 1024, 8
local REAP, PAGE, DUTIES, HINTS = 16, 100, 2, 8
local POLL, RENEWALS, PROBE, PROBE_MAX = 500, 1000, 1000, 60000
local COUNTERS = { 'now', 'clock', 'learnUntil', 'fence', 'stamp', 'flagged', 'held', 'revoking', 'lookMax', 'probeAfter', 'probeFailures' }

local capacity, headroom, protectMs, idleMs, connectBoundMs, quantumMs, dutyMs, livenessMs, waitersMax
local state, stored, spec = {}, {}, nil
local now, waiters, expired = 0, 0, 0

local function whole(value)
  return string.format('%.0f', value)
end

local function adopt(text)
  spec = text
  local values = {}
  for value in string.gmatch(text, '%d+') do values[#values + 1] = tonumber(value) end
  capacity, headroom, protectMs, idleMs, connectBoundMs, quantumMs, dutyMs, livenessMs, waitersMax = unpack(values)
end

-- A holder with a slower connect raises the bound for all, also for a learning that is under way; every other difference
-- is only reported.
local function raise_bound(text)
  local bound = string.match(text, '^%d+,%d+,%d+,%d+,(%d+)')
  local more = bound - connectBoundMs
  if more <= 0 then return end
  adopt((string.gsub(spec, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. bound)))
  redis.call('HSET', STATE, 'spec', spec)
  if now < state.learnUntil then state.learnUntil = state.learnUntil + more end
end

local function forget()
  redis.call('DEL', STATE, HELD, RECORDS, REVOKING, QUEUE, ALIVE)
end

-- A resource without memory: what an evicted settings key has left behind is none.
local function create(text)
  forget()
  adopt(text)
  for _, name in ipairs(COUNTERS) do state[name] = 0 end
  state.now, state.clock = now, now
  state.learnUntil = now + protectMs + idleMs + connectBoundMs
  redis.call('HSET', STATE, 'schema', SCHEMA, 'spec', spec)
end

local function count()
  return state.held + state.revoking
end

local function read(id)
  local text = redis.call('HGET', RECORDS, id)
  if not text then return nil end
  local it = {}
  it.fence, it.turn, it.holder, it.group, it.grantedAt, it.probe, it.flag, it.session, it.reason, it.revokedAt, it.lookAt, it.endAt =
    string.match(text, '^(%d+) (%d+) (%S+) (%S+) (%d+) ([01]) ([01]) (%S+) ?(%S*) ?(%d*) ?(%d*) ?(%d*)$')
  it.isRevoking = it.reason ~= ''
  return it
end

local function write(id, it)
  local text = table.concat({ it.fence, it.turn, it.holder, it.group, it.grantedAt, it.probe, it.flag, it.session }, ' ')
  if it.isRevoking then
    text = text .. ' ' .. table.concat({ it.reason, it.revokedAt, it.lookAt, it.endAt }, ' ')
  end
  redis.call('HSET', RECORDS, id, text)
end

-- The held lease of this holder with this fence, or nil.
local function owned(id, holder, fence)
  local it = read(id)
  if it and not it.isRevoking and it.holder == holder and it.fence == fence then return it end
  return nil, it and it.isRevoking and it.reason or 'unknown'
end

-- A new lease, with a fence above all before it (L7).
local function hold(id, holder, group, isProbe)
  state.fence = math.max(state.fence + 1, (now - EPOCH) * FENCES)
  local it = { fence = whole(state.fence), turn = '0', holder = holder, group = group, grantedAt = whole(now) }
  it.probe, it.flag, it.session = isProbe and '1' or '0', '0', '-'
  write(id, it)
  redis.call('ZADD', HELD, now + protectMs, id)
  state.held = state.held + 1
  return it
end

-- The session of a lease is bound by the first word of it, in whatever order the words arrive.
local function bind(it, session)
  if it.session ~= '-' or session == '-' then return false end
  it.session = session
  return true
end

local function unflag(it)
  if it.flag == '1' then state.flagged = state.flagged - 1 end
  it.flag = '0'
end

local function flag_if_wanted(it)
  if it.flag == '1' or now - it.grantedAt < quantumMs then return end
  if state.flagged < waiters or (headroom == 0 and count() >= capacity) then
    it.flag = '1'
    state.flagged = state.flagged + 1
  end
end

-- The probe found nothing out: the next one waits, twice as long after each such failure.
local function probe_failed(failuresBefore)
  state.probeFailures = failuresBefore + 1
  state.probeAfter = now + math.min(PROBE_MAX, PROBE * 2 ^ math.max(0, state.probeFailures - 1))
end

-- Held becomes revoking: over for its holder, still counted.
local function revoke(id, it, reason)
  local ended = math.min(now, tonumber(redis.call('ZSCORE', HELD, id)))
  local connectOver = (reason == 'abandoned' and now or ended) + connectBoundMs
  local isBound = it.session ~= '-'
  local lookAt = isBound and 0 or connectOver
  unflag(it)
  it.isRevoking, it.reason, it.revokedAt, it.lookAt = true, reason, whole(now), whole(lookAt)
  it.endAt = whole(isBound and ended + idleMs + connectBoundMs or connectOver)
  redis.call('ZREM', HELD, id)
  redis.call('ZADD', REVOKING, math.max(now, lookAt), id)
  write(id, it)
  state.held, state.revoking = state.held - 1, state.revoking + 1
  state.lookMax = math.max(state.lookMax, lookAt)
  if it.probe == '1' and not isBound then probe_failed(state.probeFailures) end
end

local function forget_ticket(id)
  redis.call('ZREM', ALIVE, id)
  if redis.call('ZREM', QUEUE, id) == 0 then return false end
  waiters = waiters - 1
  return true
end

local function reap(limit)
  if state.held > 0 then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', HELD, '-inf', now - idleMs, 'LIMIT', 0, limit)) do
      revoke(id, read(id), 'expired')
      expired = expired + 1
    end
  end
  if waiters == 0 then return end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ALIVE, '-inf', now, 'LIMIT', 0, limit)) do forget_ticket(id) end
end

local function remove(id, it)
  redis.call('HDEL', RECORDS, id)
  if it.isRevoking then
    redis.call('ZREM', REVOKING, id)
    state.revoking, state.probeFailures, state.probeAfter = state.revoking - 1, 0, 0
    if state.revoking == 0 then state.lookMax = 0 end
  else
    unflag(it)
    redis.call('ZREM', HELD, id)
    state.held = state.held - 1
  end
end

-- Gives the duty an owner: it is free again dutyMs after the look may start.
local function duty_of(id, it)
  local wait = math.max(0, it.lookAt - now)
  redis.call('ZADD', REVOKING, now + wait + dutyMs, id)
  return { id, tonumber(it.fence), it.session, wait }
end

local function take_duties(duties, limit, due)
  if state.revoking == 0 or #duties >= limit then return duties end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', REVOKING, '-inf', due, 'LIMIT', 0, limit - #duties)) do
    duties[#duties + 1] = duty_of(id, read(id))
  end
  return duties
end

-- May the one grant beyond the count be made (step 4b)? A page of entries is looked at.
local function may_probe()
  if state.held > 0 or state.revoking == 0 or now < state.probeAfter or now < state.lookMax then return false end
  for _, id in ipairs(redis.call('ZRANGE', REVOKING, 0, PAGE - 1)) do
    if now >= tonumber(read(id).endAt) then return true end
  end
  return false
end

-- The first score above now in a sorted set, after `skip` others; infinite if there is none.
local function next_after(key, skip)
  local found = redis.call('ZRANGEBYSCORE', key, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', skip, 1)[2]
  return found and tonumber(found) or math.huge
end

-- The earliest moment at which something known can change for a caller with `ahead` others before it.
local function retry_after(ahead)
  if ahead >= HINTS then return POLL end
  return math.min(POLL, next_after(HELD, ahead) - now, next_after(REVOKING, ahead) - now)
end

local function pressure()
  return (waiters > 0 or count() >= capacity - headroom) and 1 or 0
end

local function renew_after()
  local longest = math.floor(protectMs / 3)
  if waiters == 0 then return longest end
  return math.min(longest, math.max(math.floor(protectMs / 20), math.ceil(state.held * 1000 / RENEWALS)))
end

-- Half a memory is no memory (L15): what the counters say must be there.
local function is_whole()
  local expected = (state.held > 0 and 1 or 0) + (state.revoking > 0 and 1 or 0) + (count() > 0 and 1 or 0)
  return redis.call('EXISTS', HELD, REVOKING, RECORDS) == expected
end

-- Loads the state, lets time advance (L17) and reaps (L16). False where the registry has no memory of the resource.
local function enter()
  local values = redis.call('HMGET', STATE, 'schema', 'spec', unpack(COUNTERS))
  local at = clock()
  now = at
  if not values[1] then return false end
  if tonumber(values[1]) > SCHEMA then return false, { 'upgrade', tonumber(values[1]) } end
  for i, name in ipairs(COUNTERS) do
    stored[name] = values[i + 2]
    state[name] = tonumber(values[i + 2])
  end
  if not is_whole() then
    forget()
    state, stored = {}, {}
    return false
  end
  adopt(values[2])
  now = state.now + math.max(0, at - state.clock)
  state.now, state.clock = now, at
  waiters = redis.call('ZCARD', QUEUE)
  if waiters > 0 and redis.call('ZCARD', ALIVE) ~= waiters then
    redis.call('DEL', QUEUE, ALIVE)
    waiters = 0
  end
  reap(REAP)
  return true
end

-- Stores what has changed and answers.
local function done(reply)
  local changed = {}
  for _, name in ipairs(COUNTERS) do
    local value = state[name] and whole(state[name])
    if value and value ~= stored[name] then
      changed[#changed + 1] = name
      changed[#changed + 1] = value
    end
  end
  if #changed > 0 then redis.call('HSET', STATE, unpack(changed)) end
  return reply
end
