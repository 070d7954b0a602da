// Generated from lua/*.lua by `node .ci/embed-lua.ts`. Do not edit.

/** The whole of a script is CLOCK, PRELUDE and a body, joined with newlines; sha1 is that of the whole. */
export const CLOCK: string = `local function clock()
local time = redis.pcall('TIME')
if not time.err then
return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local moment = 4102444800000
local left = redis.call('PTTL', KEYS[7])
if left < 0 then
redis.call('SET', KEYS[7], '')
redis.call('PEXPIREAT', KEYS[7], moment)
left = redis.call('PTTL', KEYS[7])
end
return moment - left
end`;

export const PRELUDE: string = `local STATE, HELD, RECORDS, REVOKING, QUEUE, ALIVE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
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
local function owned(id, holder, fence)
local it = read(id)
if it and not it.isRevoking and it.holder == holder and it.fence == fence then return it end
return nil, it and it.isRevoking and it.reason or 'unknown'
end
local function hold(id, holder, group, isProbe)
state.fence = math.max(state.fence + 1, (now - EPOCH) * FENCES)
local it = { fence = whole(state.fence), turn = '0', holder = holder, group = group, grantedAt = whole(now) }
it.probe, it.flag, it.session = isProbe and '1' or '0', '0', '-'
write(id, it)
redis.call('ZADD', HELD, now + protectMs, id)
state.held = state.held + 1
return it
end
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
local function probe_failed(failuresBefore)
state.probeFailures = failuresBefore + 1
state.probeAfter = now + math.min(PROBE_MAX, PROBE * 2 ^ math.max(0, state.probeFailures - 1))
end
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
local function may_probe()
if state.held > 0 or state.revoking == 0 or now < state.probeAfter or now < state.lookMax then return false end
for _, id in ipairs(redis.call('ZRANGE', REVOKING, 0, PAGE - 1)) do
if now >= tonumber(read(id).endAt) then return true end
end
return false
end
local function next_after(key, skip)
local found = redis.call('ZRANGEBYSCORE', key, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', skip, 1)[2]
return found and tonumber(found) or math.huge
end
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
local function is_whole()
local expected = (state.held > 0 and 1 or 0) + (state.revoking > 0 and 1 or 0) + (count() > 0 and 1 or 0)
return redis.call('EXISTS', HELD, REVOKING, RECORDS) == expected
end
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
end`;

export const SCRIPTS = {
  abandon: {
    sha1: '08fabb6fca27f4e1000e4e742a054ce8e84abe5c',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
local holder, reply = ARGV[1], { 'done' }
local function bind_late(id, it, session)
if not bind(it, session) then return end
if tonumber(redis.call('ZSCORE', REVOKING, id)) == tonumber(it.lookAt) then redis.call('ZADD', REVOKING, now, id) end
it.lookAt, it.endAt = '0', whole(now + idleMs + connectBoundMs)
write(id, it)
end
local function abandon(id, fence, session)
local it = known and read(id)
if not it or it.holder ~= holder or it.fence ~= fence then return 'unknown' end
if it.isRevoking then
bind_late(id, it, session)
else
bind(it, session)
revoke(id, it, 'abandoned')
end
return 'abandoned'
end
for i = 2, #ARGV, 3 do reply[#reply + 1] = abandon(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return known and done(reply) or reply`,
  },
  configure: {
    sha1: '1c431e5db6ea2453e9d957913039c0e3e0c6d246',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
if not known then create(ARGV[1]) end
raise_bound(ARGV[1])
if ARGV[2] == '1' then state.learnUntil = now end
return done({ known and 'exists' or 'created', spec, math.max(0, state.learnUntil - now) })`,
  },
  forget: {
    sha1: '06610b4bf2dff5a071775225b02118b06df5e67f',
    body: `local _, upgrade = enter()
if upgrade then return upgrade end
forget()
return { 'done' }`,
  },
  grant: {
    sha1: 'fb57147938b896ff973737cf4a22cb0c308114e6',
    body: `local id, again, asked, holder, group, wait = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6] == '1'
local known, upgrade = enter()
if upgrade then return upgrade end
if not known then create(ARGV[7]) end
local differ = ARGV[7] ~= spec and 1 or 0
if differ == 1 then raise_bound(ARGV[7]) end
local function granted(it, duties)
local protect = math.max(0, tonumber(redis.call('ZSCORE', HELD, id)) - now)
return done({ 'granted', tonumber(it.fence), protect, idleMs, 0, renew_after(), dutyMs, tonumber(it.probe), pressure(), differ, duties })
end
local it = read(id)
if it and it.isRevoking then return done({ 'lost', it.reason }) end
if it and it.holder ~= holder then return done({ 'lost', 'unknown' }) end
if it then return granted(it, {}) end
local ticket = waiters > 0 and tonumber(redis.call('ZSCORE', QUEUE, id) or nil) or nil
if again and not ticket then return done({ 'lost', 'unknown' }) end
if now < state.learnUntil then return done({ 'denied', 'LEARNING', state.learnUntil - now }) end
local upcoming = math.max(state.stamp + 1, (now - EPOCH) * STAMPS)
local stamp = ticket or (asked > 0 and asked < upcoming and asked or upcoming)
local ahead = ticket and redis.call('ZRANK', QUEUE, id) or waiters > 0 and redis.call('ZCOUNT', QUEUE, '-inf', '(' .. whole(stamp)) or 0
local room = capacity - headroom - count()
local how, duties, limit, due = 'none', {}, DUTIES, now
if room > 0 and ahead < (ticket and room + capacity or 1) then
how = 'room'
elseif ahead == 0 then
local free = state.revoking > 0 and redis.call('ZRANGEBYSCORE', REVOKING, '-inf', now, 'LIMIT', 0, 1)[1]
local victim = state.held > 0 and redis.call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, 1)[1]
if count() < capacity and free then
how = 'takeover'
elseif count() < capacity and victim then
how = 'revoke'
local loser = read(victim)
revoke(victim, loser, 'revoked')
duties[1] = duty_of(victim, loser)
elseif may_probe() then
how, limit, due = 'probe', PAGE, '+inf'
end
end
if how ~= 'none' then
take_duties(duties, limit, due)
if ticket then forget_ticket(id) end
return granted(hold(id, holder, group, how == 'probe'), duties)
end
local retry = retry_after(ahead)
if not ticket then
if not wait then return done({ 'denied', 'FULL', retry }) end
if waiters >= waitersMax then return done({ 'denied', 'QUEUE_FULL', retry }) end
state.stamp = math.max(state.stamp, stamp)
if waiters == 0 then redis.call('DEL', ALIVE) end
redis.call('ZADD', QUEUE, stamp, id)
waiters = waiters + 1
end
redis.call('ZADD', ALIVE, now + livenessMs, id)
return done({ 'queued', ahead + 1, stamp, retry, pressure(), differ })`,
  },
  inspect: {
    sha1: '6422a29b05b0f8d0ba85d77855ed93a14b60564b',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
if not known then return { 'unknown' } end
local limit, entries = math.min(tonumber(ARGV[1]), PAGE), {}
local function list(key)
if #entries >= limit then return end
for _, id in ipairs(redis.call('ZRANGE', key, 0, limit - #entries - 1)) do
local it = read(id)
local isProtected = key == HELD and tonumber(redis.call('ZSCORE', HELD, id)) > now
local word = it.isRevoking and 'revoking' or isProtected and 'protected' or 'revocable'
entries[#entries + 1] = { id, tonumber(it.fence), word, it.holder, it.group, it.session, tonumber(it.probe) }
end
end
list(HELD)
list(REVOKING)
local isProtected = redis.call('ZCOUNT', HELD, '(' .. whole(now), '+inf')
return done({ 'state', spec, state.held, isProtected, state.revoking, waiters, state.flagged,
math.max(0, state.learnUntil - now), entries })`,
  },
  park: {
    sha1: 'f83adcb2b3a6c73efce5cbdfca10f51959dc50f2',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
local holder, outcomes = ARGV[1], {}
for i = 2, #ARGV, 4 do
local id, fence, turn, session = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
local it, loss
if known then it, loss = owned(id, holder, fence) end
if it then
local ends = tonumber(redis.call('ZSCORE', HELD, id))
local isBinding, isNew = bind(it, session), tonumber(turn) > tonumber(it.turn)
if isNew then
it.turn = turn
ends = math.min(now, ends)
redis.call('ZADD', HELD, ends, id)
flag_if_wanted(it)
end
if isNew or isBinding then write(id, it) end
if ends > now then
outcomes[#outcomes + 1] = { 'held', ends - now }
else
outcomes[#outcomes + 1] = { it.flag == '1' and 'yield' or 'parked' }
end
else
outcomes[#outcomes + 1] = { 'lost', loss or 'unknown' }
end
end
if not known then return { 'parked', 0, outcomes } end
return done({ 'parked', pressure(), outcomes })`,
  },
  release: {
    sha1: '6a45699d1c4dfb673df9a8a5e1c47b73a0f03740',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
local holder, reply = ARGV[1], { 'done' }
local function release(id, fence, outcome)
if not known then return 'unknown' end
if forget_ticket(id) then return 'released' end
local it = read(id)
if not it or it.holder ~= holder or (it.fence ~= fence and fence ~= '0') then return 'unknown' end
local failuresBefore = state.probeFailures
remove(id, it)
if it.probe == '1' and outcome == 'refused' then probe_failed(failuresBefore) end
return 'released'
end
for i = 2, #ARGV, 3 do reply[#reply + 1] = release(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return known and done(reply) or reply`,
  },
  renew: {
    sha1: 'f4f4238f192e293b4565bee35616910c9df2b2c6',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
local holder, outcomes, anyHeld = ARGV[1], {}, false
for i = 2, #ARGV, 5 do
local id, fence, turn, session, idle = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4] == '1'
local it, loss
if known then it, loss = owned(id, holder, fence) end
if it then
anyHeld = true
local isBinding, isNew = bind(it, session), tonumber(turn) > tonumber(it.turn)
if isNew then
it.turn = turn
unflag(it)
redis.call('ZADD', HELD, now + protectMs, id)
if idle then flag_if_wanted(it) end
end
if isNew or isBinding then write(id, it) end
local protect = math.max(0, tonumber(redis.call('ZSCORE', HELD, id)) - now)
outcomes[#outcomes + 1] = { 'held', protect, tonumber(it.flag) }
else
outcomes[#outcomes + 1] = { 'lost', loss or 'unknown' }
end
end
if not known then return { 'renewed', 0, 0, 0, outcomes, {} } end
local duties = anyHeld and take_duties({}, DUTIES, now) or {}
return done({ 'renewed', pressure(), renew_after(), dutyMs, outcomes, duties })`,
  },
  settle: {
    sha1: 'b4eb9a96350be52e635440f952b1579fdc1871cd',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
local by, byFence, reply = ARGV[1], ARGV[2], { 'done' }
local function is_proof(it, seen, server)
if it.session == '-' then return seen or now >= tonumber(it.lookAt) end
if string.sub(it.session, 1, #server + 1) == server .. '.' then return true end
local looker = read(by)
return looker and not looker.isRevoking and looker.fence == byFence and tonumber(looker.grantedAt) >= tonumber(it.revokedAt)
end
local function settle(id, kind, seen, server)
local it = known and read(id)
if not it or not it.isRevoking then return 'unknown' end
if kind == 'cannot' then
redis.call('ZADD', REVOKING, math.max(now, tonumber(it.lookAt)), id)
return 'kept'
end
if not is_proof(it, seen, server) then return 'kept' end
remove(id, it)
return 'settled'
end
for i = 3, #ARGV, 4 do reply[#reply + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1', ARGV[i + 3]) end
return known and done(reply) or reply`,
  },
  sweep: {
    sha1: '5cc061f016a42228f68c66f9fcb59f21b2ae8361',
    body: `local known, upgrade = enter()
if upgrade then return upgrade end
if not known then return { 'swept', 0, 0, 0, 0, {} } end
reap(PAGE)
local duties = take_duties({}, math.min(tonumber(ARGV[1]), PAGE), now)
return done({ 'swept', expired, state.held, state.revoking, dutyMs, duties })`,
  },
} as const;
