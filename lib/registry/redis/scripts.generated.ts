// Generated from lua/*.lua by `node .ci/embed-lua.ts`. Do not edit.

export const PARTS = {
  admit: `local function claims_ahead(own, older, than)
if waiting == own.waiting then return older end
local ahead, isUrgent = older, own.taken + older < own.min
for _, it in ipairs(all_groups()) do
if it ~= own and it.waiting > 0 then
local urgent = urgent_of(it)
local all = isUrgent and urgent or eligible_of(it)
if it.priority < own.priority then
ahead = ahead + (isUrgent and 0 or urgent)
elseif it.priority > own.priority then
ahead = ahead + all
else
ahead = ahead + math.max(isUrgent and 0 or urgent, math.min(all, older_in(it, than)))
end
end
end
return ahead
end
local function victim_for(own)
if held == 0 then return nil end
local ids = call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, 100)
local isFull = own.taken >= own.max
for _, id in ipairs(ids) do
local it = read(id)
if it.group == own.name then return it end
if not isFull then
local group = find_group(it.group)
if group.taken > group.min then return it end
end
end
return nil
end
local function may_probe()
if held > 0 or revoking == 0 or now < probeAfter or now < lookMax then return false end
for _, id in ipairs(call('ZRANGE', REVOKING, 0, 100 - 1)) do
if now >= read(id).endAt then return true end
end
return false
end
local function decide(own, older, ahead, ticket)
local free, isWithin = room(), own.taken + older < own.max
if ticket and has_claim(ticket.id) and count() < capped() - headroom then return 'room' end
if free > 0 and isWithin and ahead < (ticket and free + capacity or free) then return 'room' end
if ahead > 0 then return 'none' end
if count() + claims < capped() then
if isWithin and revoking > 0 and call('ZCOUNT', REVOKING, '-inf', now) > 0 then return 'takeover' end
local victim = victim_for(own)
if victim then return 'revoke', victim end
end
return isWithin and may_probe() and 'probe' or 'none'
end
local function connect_after()
if perSecond == 0 then return 0 end
local interval = 1000 / perSecond
return math.max(0, math.ceil(tat + interval - burst * interval - now))
end
local function hold(id, holder, group, probe)
local after = connect_after()
if perSecond > 0 then tat = math.max(tat, now) + 1000 / perSecond end
if phase() == 'half-open' then
local failing, trying = breaker_lists()
trying[#trying + 1] = { id, now + after + connectBoundMs }
set_breaker(failing, trying)
end
local it = put(id, next_fence(), holder, group, probe, '-', now + after + protectMs)
write(it)
return it
end
local function next_after(key, skip)
local found = call('ZRANGEBYSCORE', key, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', skip, 1)[2]
return found and tonumber(found) or math.huge
end
local function retry_after(ahead)
if ahead >= 8 then return 500 end
return math.min(500, next_after(HELD, ahead) - now, next_after(REVOKING, ahead) - now)
end`,
  clock: `local function clock()
local time = redis.pcall('TIME')
if not time.err then
return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local moment = 4102444800000
local left = redis.call('PTTL', KEYS[8])
if left < 0 then
redis.call('SET', KEYS[8], '')
redis.call('PEXPIREAT', KEYS[8], moment)
left = redis.call('PTTL', KEYS[8])
end
return moment - left
end`,
  control: `local lists
local function breaker_lists()
if not lists then
local text = failures + trials > 0 and call('HGET', STATE, ' breaker')
lists = text and cmsgpack.unpack(text) or { {}, {} }
end
return lists[1], lists[2]
end
local function set_breaker(failing, trying)
lists = { failing, trying }
failures, trials = #failing, #trying
if failures + trials > 0 then
call('HSET', STATE, ' breaker', cmsgpack.pack(lists))
else
call('HDEL', STATE, ' breaker')
end
end
local function close_breaker()
if openings + failures + trials == 0 then return end
openings, openUntil, isAuth = 0, 0, 0
set_breaker({}, {})
end
local function phase()
return openings == 0 and 'closed' or now < openUntil and 'open' or 'half-open'
end
local function open_breaker(auth)
openings, isAuth = openings + 1, auth
local base, most = 500, 15000
if auth == 1 then base, most = 2000, 60000 end
openUntil = now + math.min(most, base * 2 ^ (openings - 1))
set_breaker({}, {})
end
local function end_learning()
learnUntil = 0
if farewells > 0 then call('DEL', FAREWELLS) end
farewells = 0
end
local function bid_farewell(id)
if farewells < 1000 then farewells = farewells + call('SADD', FAREWELLS, id) end
end
local function has_left(id)
return farewells > 0 and call('SISMEMBER', FAREWELLS, id) == 1
end
local function pause(forMs)
control, pausedUntil = 1, forMs > 0 and now + forMs or 0
end
local function paused_for()
return control == 1 and pausedUntil > 0 and math.max(0, pausedUntil - now) or 0
end
local function end_by_time()
if learnUntil > 0 and now >= learnUntil then end_learning() end
if control == 1 and pausedUntil > 0 and now >= pausedUntil then control = 0 end
if trials == 0 then return end
local _, trying = breaker_lists()
for _, trial in ipairs(trying) do
if trial[2] <= now then return open_breaker(isAuth) end
end
end
local function ban()
local because, forMs
if learnUntil > 0 then
because, forMs = 'LEARNING', quietUntil - now
elseif control == 1 then
because, forMs = 'PAUSED', paused_for()
elseif control == 2 then
because, forMs = 'DRAINING', 0
elseif openings > 0 and (now < openUntil or trials >= 2) then
because, forMs = 'BREAKER', openUntil - now
end
return because, forMs and forMs > 0 and forMs or nil
end
local function observe(id, holder, outcome)
if outcome ~= 'refused' and outcome ~= 'auth' and outcome ~= 'unanswered' then
if trials == 0 then return end
local failing, trying = breaker_lists()
local others = {}
for _, trial in ipairs(trying) do
if trial[1] ~= id then others[#others + 1] = trial end
end
return set_breaker(failing, others)
end
local auth, now_is = outcome == 'auth' and 1 or 0, phase()
if now_is == 'open' then return end
if now_is == 'half-open' then return open_breaker(auth) end
local failing, trying = breaker_lists()
local recent, holders, distinct = {}, {}, 0
for _, failure in ipairs(failing) do
if failure[2] > now - 10000 then recent[#recent + 1] = failure end
end
recent[#recent + 1] = { holder, now }
if #recent > 8 then table.remove(recent, 1) end
for _, failure in ipairs(recent) do
if not holders[failure[1]] then distinct = distinct + 1 end
holders[failure[1]] = true
end
if (held == 0 and #recent or distinct) >= 3 then return open_breaker(auth) end
set_breaker(recent, trying)
end
local function take_census(id)
if learnUntil == 0 or now < quietUntil or now < censusUntil then return {} end
censusUntil, censusToken = now + 5000, censusToken + 1
call('HSET', STATE, ' census', id)
return { epoch, censusToken }
end
local function census_of(id)
if learnUntil == 0 or now >= censusUntil or call('HGET', STATE, ' census') ~= id then return {} end
return { epoch, censusToken }
end
local function in_force()
if version == 0 and control == 0 then return {} end
return { spec, version, CONTROLS[control], paused_for() }
end`,
  enter: `local isDue = false
local function enter()
now, clockAt = now + math.max(0, at - clockAt), at
isDue = now >= due
if not hasTickets then lose_tickets() end
end_by_time()
reap(16)
serve()
drop_empty()
end
local function first_score(key, shift)
local found = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
return found and tonumber(found) + shift or math.huge
end
local function next_due()
local ends = math.min(first_score(HELD, idleMs), first_score(ALIVE, 0))
if claims > 0 then ends = math.min(ends, first_score(QUEUE, 4503599627370496)) end
return ends
end
local function is_calm()
return waiting + claims + revoking + learnUntil + control + version + staleBelow + openings + failures + trials + perSecond == 0
end
local function done(reply)
serve()
drop_empty()
if isDue or due == 0 then due = next_due() end
space, calm = capped() - headroom, is_calm() and 1 or 0
local fields = { 'HSET', STATE, ' pulse', struct.pack('<ddddd', due, now, clockAt, fence, held) }
local rest = struct.pack('<dddddddddddddddddddddddddddddddddddddddddd', calm, space, revoking, waiting, claims, capacity, headroom, protectMs, idleMs, connectBoundMs,
quantumMs, dutyMs, livenessMs, waitersMax, claimMs, perSecond, burst, flagged, eligible, minima, groupCount, stamp, lookMax, probeAfter, probeFailures, epoch, learnUntil, quietUntil, censusUntil, censusToken, farewells,
version, control, pausedUntil, foreign, staleBelow, tat, openings, openUntil, isAuth, failures, trials)
if rest ~= loaded[3] then
fields[5], fields[6] = ' rest', rest
end
save_groups(fields)
call(unpack(fields))
for _, it in ipairs(wakes) do
call('PUBLISH', string.sub(STATE, 1, -6) .. 'wake:' .. it.holder, it.id)
end
return reply
end
if known then enter() end`,
  'grant-fast': `local id, holder, groupName = ARGV[1], ARGV[2], ARGV[3]
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec', id, ' g' .. groupName)
local at = clock()
if #ARGV == 5 and loaded[6] and not loaded[5] and loaded[4] == ARGV[4] and loaded[1] == '2' then
local calm, space, _, _, _, _, _, protectMs, idleMs = struct.unpack('<ddddddddd', loaded[3])
local due, now, clockAt, fence, held = struct.unpack('<ddddd', loaded[2])
if at > clockAt then now = now + at - clockAt end
local taken, _, max = struct.unpack('<ddd', loaded[6])
if calm == 1 and now < due and held < space and taken < max and (held == 0 or call('EXISTS', HELD) == 1) then
fence = math.max(fence + 1, (now - 1767225600000) * 1024)
local ends = now + protectMs
if ends + idleMs < due then due = ends + idleMs end
call('ZADD', HELD, ends .. '', id)
call('HSET', STATE, id, struct.pack('<dddBBBsss', fence, 0, now, 0, 0, 0, holder, groupName, '-'),
' pulse', struct.pack('<ddddd', due, now, at, fence, held + 1),
' g' .. groupName, struct.pack('<d', taken + 1) .. string.sub(loaded[6], 9))
return held + 1 < space and fence or -fence
end
end`,
  groups: `local groups, names, isRenamed = {}, nil, false
local function group_names()
if not names then
names = {}
local text = groupCount > 0 and call('HGET', STATE, ' names') or ''
for name in string.gmatch(text, '%S+') do names[#names + 1] = name end
end
return names
end
local function find_group(name)
local it = groups[name]
if it then return it end
local text = call('HGET', STATE, ' g' .. name)
if not text then return nil end
it = { name = name, text = text }
it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.claimed, it.place = struct.unpack('<ddddddddd', text)
groups[name] = it
return it
end
local function group_of(name, min, max, priority, limit)
local it = find_group(name)
if it then return it end
if groupCount >= 64 - 1 and name ~= '~' then return group_of('~', 0, 1000000000, 0, 0) end
if minima + min > limit then min = 0 end
it = { name = name, taken = 0, min = min, max = max, priority = priority, waiting = 0, flagged = 0, version = 0, claimed = 0, place = -1 }
groups[name] = it
table.insert(group_names(), name)
groupCount, minima, isRenamed = groupCount + 1, minima + min, true
return it
end
local function all_groups()
local all = {}
for i, name in ipairs(group_names()) do all[i] = find_group(name) end
return all
end
local function urgent_of(it)
return math.min(it.waiting, math.max(0, it.min - it.taken))
end
local function eligible_of(it)
return math.min(it.waiting, math.max(0, it.max - it.taken))
end
local function change(it, taken, waits, claimed)
eligible = eligible - eligible_of(it)
it.taken, it.waiting, it.claimed = it.taken + taken, it.waiting + waits, it.claimed + claimed
waiting, claims = waiting + waits, claims + claimed
eligible = eligible + eligible_of(it)
end
local function place_of(it)
if it.place >= 0 then return it.place * 140737488355328 end
local used, place = {}, 0
for _, other in ipairs(waiting > 0 and all_groups() or {}) do used[other.place] = true end
while used[place] do place = place + 1 end
it.place = place
return place * 140737488355328
end
local function older_in(it, than)
if it.waiting == 0 then return 0 end
local first = it.place * 140737488355328
return call('ZCOUNT', QUEUE, whole(first), '(' .. whole(first + than))
end
local function drop_empty()
for name, it in pairs(groups) do
if it.taken == 0 and it.waiting == 0 and it.version == 0 then
groups[name], groupCount, minima, isRenamed = nil, groupCount - 1, minima - it.min, true
if it.text then call('HDEL', STATE, ' g' .. name) end
for i, each in ipairs(group_names()) do
if each == name then table.remove(names, i) break end
end
end
end
end
local function save_groups(fields)
for name, it in pairs(groups) do
if it.waiting == 0 then it.place = -1 end
local text = struct.pack('<ddddddddd', it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.claimed, it.place)
if text ~= it.text then
fields[#fields + 1] = ' g' .. name
fields[#fields + 1] = text
end
end
if not isRenamed then return end
fields[#fields + 1] = ' names'
fields[#fields + 1] = table.concat(names, ' ')
end`,
  keys: `local STATE, HELD, REVOKING, QUEUE, ALIVE, TICKETS, FAREWELLS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local call = redis.call`,
  leases: `local LOSSES, LOSS = { 'revoked', 'expired', 'abandoned' }, { revoked = 1, expired = 2, abandoned = 3 }
local expired = 0
local function decode(id, text)
local it, next = { id = id }, nil
it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session, next = struct.unpack('<dddBBBsss', text)
if it.loss > 0 then it.revokedAt, it.lookAt, it.endAt = struct.unpack('<ddd', text, next) end
return it
end
local function read(id)
local text = call('HGET', STATE, id)
return text and decode(id, text) or nil
end
local function write(it)
local text = struct.pack('<dddBBBsss', it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session)
if it.loss > 0 then text = text .. struct.pack('<ddd', it.revokedAt, it.lookAt, it.endAt) end
call('HSET', STATE, it.id, text)
end
local function owned(id, holder, fence)
local it = read(id)
if not it or it.loss > 0 then return nil, it and LOSSES[it.loss] or 'unknown', it end
if it.fence ~= fence or (it.holder ~= holder and it.holder ~= '?') then return nil, 'unknown', it end
return it
end
local function ends_of(id)
return tonumber(call('ZSCORE', HELD, id))
end
local function protect(id, ends)
call('ZADD', HELD, ends, id)
due = math.min(due, ends + idleMs)
end
local function next_fence()
return math.max(fence + 1, (now - 1767225600000) * 1024)
end
local function put(id, itsFence, holder, group, probe, session, ends)
local it = { id = id, fence = itsFence, turn = 0, grantedAt = now, probe = probe, flag = 0, loss = 0,
holder = holder, group = group.name, session = session }
fence, held = math.max(fence, itsFence), held + 1
protect(id, ends)
change(group, 1, 0, 0)
return it
end
local function bind(it, session)
if it.session ~= '-' or session == '-' then return end
it.session = session
close_breaker()
end
local function unflag(it)
if it.flag == 0 then return end
local group = find_group(it.group)
it.flag, flagged, group.flagged = 0, flagged - 1, group.flagged - 1
end
local function should_yield(it, group)
if control == 2 or flagged < count() - capped() then return true end
if it.fence < staleBelow and flagged < math.max(1, headroom) then return true end
if now - it.grantedAt < quantumMs then return false end
if group.taken >= group.max and group.flagged < group.waiting then return true end
if (group.waiting > 0 or group.taken > group.min) and flagged < eligible - math.max(0, room()) then return true end
return headroom == 0 and count() >= capped()
end
local function flag_if_wanted(it)
if it.flag == 1 then return end
local group = find_group(it.group)
if not should_yield(it, group) then return end
it.flag, flagged, group.flagged = 1, flagged + 1, group.flagged + 1
end
local function probe_failed(before)
probeFailures = before + 1
probeAfter = now + math.min(60000, 1000 * 2 ^ math.max(0, probeFailures - 1))
end
local function remove_held(it)
unflag(it)
call('ZREM', HELD, it.id)
held = held - 1
change(find_group(it.group), -1, 0, 0)
end
local function revoke(it, reason)
local ended, isBound = math.min(now, ends_of(it.id)), it.session ~= '-'
local connectOver = (reason == 'abandoned' and now or ended) + connectBoundMs
remove_held(it)
it.loss, it.revokedAt, it.lookAt = LOSS[reason], now, isBound and 0 or connectOver
it.endAt = isBound and ended + idleMs + connectBoundMs or connectOver
call('ZADD', REVOKING, math.max(now, it.lookAt), it.id)
write(it)
revoking, lookMax = revoking + 1, math.max(lookMax, it.lookAt)
if it.probe == 1 and not isBound then probe_failed(probeFailures) end
end
local function remove_revoking(it)
call('HDEL', STATE, it.id)
call('ZREM', REVOKING, it.id)
revoking, probeFailures, probeAfter = revoking - 1, 0, 0
if revoking == 0 then lookMax = 0 end
end
local function reap(limit)
if held > 0 and now >= due then
for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', now - idleMs, 'LIMIT', 0, limit)) do
revoke(read(id), 'expired')
expired = expired + 1
end
end
if now >= due then reap_tickets(limit) end
local surplus = math.min(limit, control == 2 and held or debt() - revoking)
if surplus <= 0 then return end
for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, surplus)) do revoke(read(id), 'revoked') end
end
local function duty_of(it)
local wait = math.max(0, it.lookAt - now)
call('ZADD', REVOKING, now + wait + dutyMs, it.id)
return { it.id, it.fence, it.session, wait }
end
local function take_duties(duties, limit, upTo)
if revoking == 0 or #duties >= limit then return duties end
for _, id in ipairs(call('ZRANGEBYSCORE', REVOKING, '-inf', upTo, 'LIMIT', 0, limit - #duties)) do
duties[#duties + 1] = duty_of(read(id))
end
return duties
end
local function pressure(group)
local free = room()
local isAtMax = group and group.taken >= group.max and group.waiting > 0
return (eligible > math.max(0, free) or isAtMax or free <= 0 or control == 2) and 1 or 0
end
local function renew_after()
local longest = math.floor(protectMs / 3)
if waiting == 0 then return longest end
return math.min(longest, math.max(math.floor(protectMs / 20), math.ceil(held * 1000 / 1000)))
end`,
  load: `local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec')
local at = clock()`,
  'release-fast': `local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec', ARGV[2])
local at = clock()
if #ARGV == 4 and loaded[5] and loaded[1] == '2' and (ARGV[4] == 'closed' or ARGV[4] == 'unused') then
local calm = struct.unpack('<d', loaded[3])
local due, now, clockAt, top, held = struct.unpack('<ddddd', loaded[2])
if at > clockAt then now = now + at - clockAt end
local fence, _, _, probe, flag, loss, holder, groupName = struct.unpack('<dddBBBsss', loaded[5])
if calm == 1 and now < due and probe + flag + loss == 0 and holder == ARGV[1] and fence == tonumber(ARGV[3]) then
local group = call('HGET', STATE, ' g' .. groupName)
local taken, _, _, _, _, _, version = struct.unpack('<ddddddd', group)
if taken + version > 1 and call('ZREM', HELD, ARGV[2]) == 1 then
call('HDEL', STATE, ARGV[2])
call('HSET', STATE, ' pulse', struct.pack('<ddddd', due, now, at, top, held - 1),
' g' .. groupName, struct.pack('<d', taken - 1) .. string.sub(group, 9))
return 'released'
end
end
end`,
  'renew-fast': `local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec')
local at = clock()`,
  state: `if loaded[1] and tonumber(loaded[1]) > 2 then return { 'upgrade', tonumber(loaded[1]) } end
local known, hasTickets = loaded[1] == '2', true
if known then
local _, _, _, _, heldThere = struct.unpack('<ddddd', loaded[2])
local _, _, revokingThere, waitingThere, claimsThere = struct.unpack('<ddddd', loaded[3])
local leases, tickets = (heldThere > 0 and 1 or 0) + (revokingThere > 0 and 1 or 0), waitingThere + claimsThere > 0 and 3 or 0
if call('EXISTS', HELD, REVOKING, QUEUE, ALIVE, TICKETS) ~= leases + tickets then
known, hasTickets = call('EXISTS', HELD, REVOKING) == leases, false
end
end
local function forget()
call('DEL', STATE, HELD, REVOKING, QUEUE, ALIVE, TICKETS, FAREWELLS)
end
if loaded[1] and not known then
forget()
loaded = {}
end
local spec = loaded[4]
local due, now, clockAt, fence, held = struct.unpack('<ddddd', loaded[2] or string.rep('\\0', 40))
local calm, space, revoking, waiting, claims,
capacity, headroom, protectMs, idleMs, connectBoundMs, quantumMs, dutyMs, livenessMs, waitersMax, claimMs, perSecond, burst,
flagged, eligible, minima, groupCount,
stamp, lookMax, probeAfter, probeFailures,
epoch, learnUntil, quietUntil, censusUntil, censusToken, farewells,
version, control, pausedUntil, foreign, staleBelow, tat,
openings, openUntil, isAuth, failures, trials = struct.unpack('<dddddddddddddddddddddddddddddddddddddddddd', loaded[3] or string.rep('\\0', 336))
local CONTROLS = { [0] = 'open', 'paused', 'draining' }
local function whole(value)
return string.format('%.0f', value)
end
local function read_settings(text)
spec = text
local values = {}
for value in string.gmatch(text, '%d+') do values[#values + 1] = tonumber(value) end
capacity, headroom, protectMs, idleMs, connectBoundMs, quantumMs, dutyMs, livenessMs, waitersMax, claimMs, perSecond, burst =
unpack(values)
call('HSET', STATE, ' spec', text)
due = 0
end
local function raise_bound(text)
local bound = string.match(text, '^%d+,%d+,%d+,%d+,(%d+)')
local more = bound - connectBoundMs
if more <= 0 then return end
read_settings((string.gsub(spec, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. bound)))
if learnUntil > 0 then learnUntil, quietUntil = learnUntil + more, quietUntil + more end
end
local function create(text)
known, now, clockAt, epoch = true, at, at, at
call('HSET', STATE, 'schema', 2)
read_settings(text)
learnUntil = now + protectMs + idleMs + connectBoundMs
quietUntil = now + math.max(connectBoundMs + (perSecond > 0 and 5000 or 0), dutyMs)
end
local function capped()
return math.max(0, capacity - foreign)
end
local function count()
return held + revoking
end
local function debt()
return math.max(0, held + revoking - capped())
end
local function room()
return capped() - headroom - held - revoking - claims
end`,
  tickets: `local wakes = {}
local function read_ticket(id)
local text = waiting + claims > 0 and call('HGET', TICKETS, id)
if not text then return nil end
local it = { id = id }
it.stamp, it.listens, it.group, it.holder = struct.unpack('<dBss', text)
return it
end
local function write_ticket(it)
call('HSET', TICKETS, it.id, struct.pack('<dBss', it.stamp, it.listens, it.group, it.holder))
end
local function has_claim(id)
return claims > 0 and tonumber(call('ZSCORE', QUEUE, id)) < 0
end
local function enqueue(it, group)
call('ZADD', QUEUE, place_of(group) + it.stamp, it.id)
change(group, 0, 1, 0)
end
local function add_ticket(id, order, listens, group, holder)
local it = { id = id, stamp = order, listens = listens, group = group.name, holder = holder }
write_ticket(it)
enqueue(it, group)
end
local function claim(it)
change(find_group(it.group), 1, -1, 1)
call('ZADD', QUEUE, now + claimMs - 4503599627370496, it.id)
due = math.min(due, now + claimMs)
wakes[#wakes + 1] = it
end
local function forget_ticket(id)
local it = read_ticket(id)
if not it then return false end
local group = find_group(it.group)
if has_claim(id) then change(group, -1, 0, -1) else change(group, 0, -1, 0) end
call('ZREM', QUEUE, id)
call('ZREM', ALIVE, id)
call('HDEL', TICKETS, id)
return true
end
local function reap_tickets(limit)
if waiting + claims == 0 then return end
for _, id in ipairs(call('ZRANGEBYSCORE', ALIVE, '-inf', now, 'LIMIT', 0, limit)) do forget_ticket(id) end
if claims == 0 then return end
for _, id in ipairs(call('ZRANGEBYSCORE', QUEUE, '-inf', whole(now - 4503599627370496), 'LIMIT', 0, limit)) do
local it = read_ticket(id)
local group = find_group(it.group)
it.listens = 0
write_ticket(it)
change(group, -1, 0, -1)
enqueue(it, group)
end
end
local function lose_tickets()
call('DEL', QUEUE, ALIVE, TICKETS)
for _, it in ipairs(all_groups()) do change(it, -it.claimed, -it.waiting, -it.claimed) end
end
local function is_better(one, other)
if one.isUrgent ~= other.isUrgent then return one.isUrgent end
if one.group.priority ~= other.group.priority then return one.group.priority > other.group.priority end
if one.stamp ~= other.stamp then return one.stamp < other.stamp end
return one.id < other.id
end
local function next_tickets(limit)
local lines, chosen = {}, {}
for _, group in ipairs(all_groups()) do
if group.waiting > 0 then
local first = group.place * 140737488355328
local last = '(' .. whole(first + 140737488355328)
lines[#lines + 1] = { group = group, served = 0, first = first,
ids = call('ZRANGEBYSCORE', QUEUE, whole(first), last, 'WITHSCORES', 'LIMIT', 0, limit) }
end
end
while #chosen < limit do
local best
for _, line in ipairs(lines) do
local group, id, taken = line.group, line.ids[2 * line.served + 1], line.group.taken + line.served
if id and taken < group.max then
local one = { id = id, group = group, line = line, isUrgent = taken < group.min,
stamp = tonumber(line.ids[2 * line.served + 2]) - line.first }
if not best or is_better(one, best) then best = one end
end
end
if not best then break end
best.line.served = best.line.served + 1
chosen[#chosen + 1] = best.id
end
return chosen
end
local function serve()
local limit = math.min(room(), 16)
if limit <= 0 or eligible == 0 or openings > 0 or ban() then return end
for _, id in ipairs(next_tickets(limit)) do
local it = read_ticket(id)
if it.listens == 1 then claim(it) end
end
end`,
} as const;

/** The whole of a script is the parts that it uses, in order, and its body, joined with newlines; sha1 is that of the whole. */
export const SCRIPTS = {
  abandon: {
    sha1: '8b09b3ddaa1292be54d36b1d677d1ee87fc451d3',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, reply = ARGV[1], { 'done' }
local function bind_late(it, session)
if it.session ~= '-' or session == '-' then return end
it.session, it.endAt = session, now + idleMs + connectBoundMs
if tonumber(call('ZSCORE', REVOKING, it.id)) == it.lookAt then call('ZADD', REVOKING, now, it.id) end
it.lookAt = 0
write(it)
end
local function abandon(id, itsFence, session, outcome)
if not known then return 'unknown' end
local it, _, record = owned(id, holder, itsFence)
if it then
bind(it, session)
revoke(it, 'abandoned')
observe(id, it.holder, outcome)
return 'abandoned'
end
if not record or record.loss == 0 or record.holder ~= holder or record.fence ~= itsFence then return 'unknown' end
bind_late(record, session)
return 'abandoned'
end
for i = 2, #ARGV, 4 do
reply[#reply + 1] = abandon(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3])
end
return known and done(reply) or reply`,
  },
  adopt: {
    sha1: '3f2fc13c897922dff9763d03921dc332a9047ffe',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not known then return { 'done', 'refused' } end
if tonumber(ARGV[1]) ~= epoch or learnUntil > 0 and tonumber(ARGV[2]) ~= censusToken then return done({ 'done', 'refused' }) end
for i = 5, #ARGV, 3 do
local id = ARGV[i]
if not read(id) and not has_left(id) then
local group = group_of('unknown', 0, 1000000000, 0, 0)
write(put(id, tonumber(ARGV[i + 1]), '?', group, 0, ARGV[i + 2], now + protectMs))
end
end
if ARGV[3] == '1' then
foreign = tonumber(ARGV[4])
end_learning()
end
return done({ 'done', 'adopted' })`,
  },
  configure: {
    sha1: 'a4554b0948484c626042f6a311c70a403f8e2499',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local wasKnown = known
if not known then
create(ARGV[1])
enter()
end
raise_bound(ARGV[1])
if ARGV[2] == '1' then end_learning() end
return done({ wasKnown and 'exists' or 'created', spec, math.max(0, learnUntil - now) })`,
  },
  forget: {
    sha1: 'bb95050becda778cccac0594dac7a6f08b87bf94',
    uses: ['keys', 'clock', 'load', 'state'],
    body: `forget()
return { 'done' }`,
  },
  grant: {
    sha1: 'e2333f7ad7a6ee0a446865713778ff434676f818',
    uses: ['keys', 'clock', 'grant-fast', 'state', 'control', 'groups', 'tickets', 'leases', 'enter', 'admit'],
    body: `local wait, again, asked = ARGV[5] == '1', ARGV[6] == '1', tonumber(ARGV[7] or 0)
local waitMs, listens = tonumber(ARGV[8] or nil), ARGV[9] == '1' and 1 or 0
local min, max, priority = string.match(ARGV[10] or '-', '^(%d+),(%d+),(%d+)$')
if not known then
create(ARGV[4])
enter()
end
raise_bound(ARGV[4])
local function differ(group)
local isOther = min and (group.min ~= tonumber(min) or group.max ~= tonumber(max) or group.priority ~= tonumber(priority))
return (isOther or ARGV[4] ~= spec) and 1 or 0
end
local function granted(it, duties, census)
local protect, group = math.max(0, ends_of(id) - now), find_group(it.group)
return done({ 'granted', it.fence, protect, idleMs, math.max(0, protect - protectMs), renew_after(), dutyMs, it.probe,
pressure(group), differ(group), duties, in_force(), census })
end
local it = read(id)
if it and it.loss > 0 then return done({ 'lost', LOSSES[it.loss] }) end
if it and it.holder ~= holder then return done({ 'lost', 'unknown' }) end
if it then return granted(it, {}, census_of(id)) end
local ticket = read_ticket(id)
if again and not ticket then return done({ 'lost', 'unknown' }) end
local group = ticket and find_group(ticket.group)
or group_of(groupName, tonumber(min or 0), tonumber(max or 1000000000), tonumber(priority or 0), capacity - headroom)
local upcoming = math.max(stamp + 1, (now - 1767225600000) * 8)
local order = ticket and ticket.stamp or asked > 0 and asked < upcoming and asked or upcoming
local older = older_in(group, order)
local ahead = claims_ahead(group, older, order)
local function take(how, victim, census)
local duties, isProbe = {}, how == 'probe'
if victim then
revoke(victim, 'revoked')
duties[1] = duty_of(victim)
end
if not census then take_duties(duties, isProbe and 100 or 2, isProbe and '+inf' or now) end
local lease = hold(id, holder, group, isProbe and 1 or 0)
if ticket then forget_ticket(id) end
return granted(lease, duties, census or {})
end
local because, forMs = ban()
if because then
local isWanted = wait and count() < capped() and (held == 0 or now >= quietUntil + math.floor(protectMs / 2))
local census = isWanted and take_census(id) or {}
if census[1] then return take('census', nil, census) end
else
local how, victim = decide(group, older, ahead, ticket)
local tooFar = connect_after() - 5000
if how ~= 'none' and tooFar <= 0 then return take(how, victim) end
if how ~= 'none' then because, forMs = 'RATE', tooFar end
end
local hint = because and (forMs or 500) or retry_after(ahead)
if wait and forMs and waitMs and forMs > waitMs then
if ticket then forget_ticket(id) end
return done({ 'denied', 'DEADLINE_NEAR', hint, because })
end
if ticket then
ticket.listens = listens
write_ticket(ticket)
else
if not wait then return done({ 'denied', because or 'FULL', hint, '-' }) end
if waiting + claims >= waitersMax then return done({ 'denied', 'QUEUE_FULL', hint, '-' }) end
stamp = math.max(stamp, order)
add_ticket(id, order, listens, group, holder)
end
call('ZADD', ALIVE, now + livenessMs, id)
due = math.min(due, now + livenessMs)
return done({ 'queued', ahead + 1, order, math.min(500, hint), because or '-', pressure(group), differ(group), in_force() })`,
  },
  inspect: {
    sha1: 'e46f06edc5c5778c5150ac4f32ce9b7e36a7e860',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not known then return { 'unknown' } end
local limit, entries, shares = math.min(tonumber(ARGV[1]), 100), {}, {}
local function list(key)
if #entries >= limit then return end
local found = call('ZRANGE', key, 0, limit - #entries - 1, 'WITHSCORES')
for i = 1, #found, 2 do
local it = read(found[i])
local word = it.loss > 0 and 'revoking' or tonumber(found[i + 1]) > now and 'protected' or 'revocable'
entries[#entries + 1] = { it.id, it.fence, word, it.holder, it.group, it.session, it.probe }
end
end
list(HELD)
list(REVOKING)
for i, it in ipairs(all_groups()) do shares[i] = { it.name, it.min, it.max, it.priority, it.taken, it.waiting } end
local protected = call('ZCOUNT', HELD, '(' .. whole(now), '+inf')
return done({ 'state', spec, held, protected, revoking, waiting + claims, flagged, math.max(0, learnUntil - now), claims,
debt(), foreign, epoch, version, CONTROLS[control], phase(), shares, entries })`,
  },
  operate: {
    sha1: '186fa1cc50b19b681113474d26f2f0f149d0e755',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not known then return { 'done', 'unknown' } end
local kind, handlers = ARGV[1], {}
function handlers.pause()
pause(tonumber(ARGV[2]))
end
function handlers.resume()
control = 0
close_breaker()
end
function handlers.drain()
control = 2
end
function handlers.reconnect()
staleBelow = next_fence()
end
function handlers.observe()
observe('', ARGV[2], ARGV[3])
return 'done'
end
function handlers.resize()
local most, kept, next = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) or version + 1
if next <= version then return 'stale' end
if minima > most - kept then return 'refused' end
read_settings((string.gsub(spec, '^%d+,%d+', ARGV[2] .. ',' .. ARGV[3])))
version = next
return 'done'
end
function handlers.share()
local min, max, priority = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local group = group_of(ARGV[2], 0, 1000000000, 0, 0)
local next = tonumber(ARGV[6]) or group.version + 1
if next <= group.version then return 'stale' end
if minima - group.min + min > capacity - headroom then return 'refused' end
minima = minima - group.min + min
eligible = eligible - eligible_of(group)
group.min, group.max, group.priority, group.version = min, max, priority, next
eligible = eligible + eligible_of(group)
return 'done'
end
local word = handlers[kind]()
if not word then
version, word = version + 1, 'done'
end
return done({ 'done', word })`,
  },
  park: {
    sha1: '94e5938c3402455e66586cdf17999b066915f516',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, outcomes, last = ARGV[1], {}, nil
local function park(id, itsFence, turn, session)
local it, loss, record = owned(id, holder, itsFence)
if record and record.loss == 0 and record.holder == holder then last = record.group end
if not it then return { 'lost', loss } end
local ends = ends_of(id)
bind(it, session)
if turn > it.turn then
it.turn, ends = turn, math.min(now, ends)
protect(id, ends)
flag_if_wanted(it)
end
write(it)
if ends > now then return { 'held', ends - now } end
return { it.flag == 1 and 'yield' or 'parked' }
end
for i = 2, #ARGV, 4 do
outcomes[#outcomes + 1] = known and park(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]) or { 'lost', 'unknown' }
end
if not known then return { 'parked', 0, outcomes, {} } end
return done({ 'parked', pressure(last and find_group(last)), outcomes, in_force() })`,
  },
  release: {
    sha1: '6767996d6e87057f0630219ac8af05406dd377d2',
    uses: ['keys', 'clock', 'release-fast', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, reply = ARGV[1], { 'done' }
local function release(id, itsFence, outcome)
if not known then return 'unknown' end
if forget_ticket(id) then return 'released' end
local it = read(id)
if not it and learnUntil > 0 then bid_farewell(id) end
if not it or (it.holder ~= holder and it.holder ~= '?') then return 'unknown' end
if it.fence ~= itsFence and itsFence ~= 0 then return 'unknown' end
local before = probeFailures
if it.loss > 0 then
remove_revoking(it)
else
remove_held(it)
call('HDEL', STATE, id)
end
if it.probe == 1 and outcome == 'refused' then probe_failed(before) end
observe(id, it.holder, outcome)
return 'released'
end
for i = 2, #ARGV, 3 do reply[#reply + 1] = release(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]) end
return known and done(reply) or reply`,
  },
  renew: {
    sha1: '52fe58302a8e67edd00e4285265424fb2bbaeda4',
    uses: ['keys', 'clock', 'renew-fast', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, outcomes, last, anyHeld = ARGV[1], {}, nil, false
if not known and ARGV[2] ~= '-' then
create(ARGV[2])
enter()
end
local function restore(text, itsVersion, word, pausedFor)
if text == '-' or itsVersion <= version then return end
version = itsVersion
for number, name in pairs(CONTROLS) do
if name == word then control = number end
end
if control == 1 then pause(pausedFor) end
read_settings(text)
end
local function registered(at, record)
local id, session, group = ARGV[at], ARGV[at + 3], ARGV[at + 5]
if record or learnUntil == 0 or group == '-' or session == '-' or has_left(id) then return nil end
restore(ARGV[at + 6], tonumber(ARGV[at + 7]), ARGV[at + 8], tonumber(ARGV[at + 9]))
return put(id, tonumber(ARGV[at + 1]), holder, group_of(group, 0, 1000000000, 0, 0), 0, session, now + protectMs)
end
local function take_over(it, name)
if it.holder ~= '?' then return end
it.holder = holder
if name == '-' then return end
unflag(it)
change(find_group(it.group), -1, 0, 0)
local group = group_of(name, 0, 1000000000, 0, 0)
change(group, 1, 0, 0)
it.group = group.name
end
local function renew(at)
local id, turn, session = ARGV[at], tonumber(ARGV[at + 2]), ARGV[at + 3]
local it, loss, record = owned(id, holder, tonumber(ARGV[at + 1]))
it = it or registered(at, record)
if not it then
local isForgotten = learnUntil > 0 and not record and not has_left(id)
return isForgotten and { 'forgotten' } or { 'lost', loss }
end
take_over(it, ARGV[at + 5])
bind(it, session)
if turn > it.turn then
it.turn = turn
unflag(it)
protect(id, math.max(now + protectMs, ends_of(id)))
if ARGV[at + 4] == '1' then flag_if_wanted(it) end
end
write(it)
anyHeld = true
return { 'held', math.max(0, ends_of(id) - now), it.flag }
end
for at = 3, #ARGV, 10 do
outcomes[#outcomes + 1] = known and renew(at) or { 'forgotten' }
end
if not known then return { 'renewed', 0, 0, 0, outcomes, {}, {}, {} } end
for at = 3, #ARGV, 10 do
local it = read(ARGV[at])
if it and it.loss == 0 and it.holder == holder then last = find_group(it.group) end
end
local duties = anyHeld and take_duties({}, 2, now) or {}
local census = anyHeld and take_census('') or {}
return done({ 'renewed', pressure(last), renew_after(), dutyMs, outcomes, duties, in_force(), census })`,
  },
  settle: {
    sha1: 'd20434a7c18d2962667e90a85c2aae9c999facae',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local by, byFence, reply = ARGV[1], tonumber(ARGV[2]), { 'done' }
local function is_proof(it, seen, server)
if it.session == '-' then return seen or now >= it.lookAt end
if string.sub(it.session, 1, #server + 1) == server .. '.' then return true end
local looker = read(by)
return looker and looker.loss == 0 and looker.fence == byFence and looker.grantedAt >= it.revokedAt
end
local function settle(id, kind, seen, server)
local it = known and read(id)
if not it or it.loss == 0 then return 'unknown' end
if kind == 'cannot' then
call('ZADD', REVOKING, math.max(now, it.lookAt), id)
return 'kept'
end
if not is_proof(it, seen, server) then return 'kept' end
remove_revoking(it)
return 'settled'
end
for i = 3, #ARGV, 4 do reply[#reply + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1', ARGV[i + 3]) end
return known and done(reply) or reply`,
  },
  sweep: {
    sha1: '00be4b5533de4daa21420db44b30c4dcb9c224cc',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not known then return { 'swept', 0, 0, 0, 0, {}, {} } end
reap(100)
local duties = take_duties({}, math.min(tonumber(ARGV[1]), 100), now)
local census = take_census('')
return done({ 'swept', expired, held, revoking, dutyMs, duties, census })`,
  },
} as const;
