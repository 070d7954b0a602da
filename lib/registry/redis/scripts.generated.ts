// Generated from lua/*.lua by `node .ci/embed-lua.ts`. Do not edit.

export const PARTS = {
  admit: `local admit = {}
function admit.claims_ahead(own, older, than)
if state.waiting == own.waiting then return older end
local ahead, isUrgent = older, own.taken + older < own.min
for _, it in ipairs(groups.all()) do
if it ~= own and it.waiting > 0 then
local urgent = groups.urgent_of(it)
local all = isUrgent and urgent or groups.eligible_of(it)
if it.priority < own.priority then
ahead = ahead + (isUrgent and 0 or urgent)
elseif it.priority > own.priority then
ahead = ahead + all
else
ahead = ahead + math.max(isUrgent and 0 or urgent, math.min(all, groups.older_in(it, than)))
end
end
end
return ahead
end
function admit.victim_for(own)
if state.held == 0 then return nil end
local ids = state.members(0, state.now, 100)
local isFull = own.taken >= own.max
for _, id in ipairs(ids) do
local it = leases.read(id)
if it.group == own.name then return it end
if not isFull then
local group = groups.find(it.group)
if group.taken > group.min then return it end
end
end
return nil
end
function admit.may_probe()
if state.held > 0 or state.revoking == 0 or state.now < state.probeAfter or state.now < state.lookMax then return false end
for _, id in ipairs(state.members(8796093022208, 8796093022207, 100)) do
if state.now >= leases.read(id).endAt then return true end
end
return false
end
function admit.decide(own, older, ahead, ticket)
local free, isWithin = state.room(), own.taken + older < own.max
if ticket and tickets.has_claim(ticket.id) and state.count() + state.claims <= state.capped() then return 'room' end
if free > 0 and isWithin and ahead < (ticket and free + state.capacity or free) then return 'room' end
local places = state.capped() - state.count() - state.claims
if places > 0 and ahead < (ticket and places or 1) then
if isWithin and state.revoking > 0 and #state.members(8796093022208, state.now, 1) > 0 then return 'takeover' end
local victim = admit.victim_for(own)
if victim then return 'revoke', victim end
end
if ahead > 0 then return nil end
return isWithin and admit.may_probe() and 'probe' or nil
end
function admit.census_for(id, own, wait)
local isTurn = state.held == 0 or state.now >= state.quietUntil + math.floor(state.protectMs / 2)
if not wait or not isTurn or own.taken >= own.max or state.count() >= state.capped() or control.is_census_out() then return {} end
return control.take_census(id)
end
function admit.judge(id, group, order, ticket, wait, waitMs)
local older = groups.older_in(group, order)
local it = { ahead = admit.claims_ahead(group, older, order), census = {} }
it.because, it.forMs = control.ban()
if it.because then
it.census = admit.census_for(id, group, wait)
it.how = it.census[1] and 'census' or nil
return it
end
local after = state.connected_after()
if after > (waitMs or after) then
it.because, it.forMs = 'RATE', after
return it
end
it.how, it.victim = admit.decide(group, older, it.ahead, ticket)
local tooFar = state.connect_after() - 5000
if it.how and tooFar > 0 then it.how, it.because, it.forMs = nil, 'RATE', tooFar end
if it.how and not ticket and it.ahead + state.claims >= state.starts_left() then it.how, it.because = nil, 'RATE' end
return it
end
function admit.take_over(verdict)
local duties = {}
if verdict.how == 'census' then return duties end
if verdict.how == 'revoke' then
leases.revoke(verdict.victim, 'revoked')
duties[1] = leases.duty_of(verdict.victim)
end
if verdict.how == 'probe' then return leases.take_duties(duties, 100, 8796093022207) end
return leases.take_duties(duties, 2, state.now)
end
function admit.hold(id, holder, group, probe)
local after = state.connect_after()
state.tat = state.perSecond > 0 and math.max(state.tat, state.now) + 1000 / state.perSecond or 0
if control.phase() == 'half-open' then
local failing, trying = control.lists()
trying[#trying + 1] = { id, state.now + after + state.connectBoundMs }
control.set_lists(failing, trying)
end
local it = leases.put(id, leases.next_fence(), holder, group, probe, '-', state.now + after + state.protectMs)
leases.write(it)
return it
end
function admit.retry_after(ahead)
if ahead >= 8 then return 500 end
local now = state.now
return math.min(500, state.time_after(0, now, ahead) - now, state.time_after(8796093022208, now, ahead) - now)
end`,
  clock: `local function clock()
local time = redis.pcall('TIME')
if not time.err then
return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local moment = 4102444800000
local left = redis.call('PTTL', KEYS[3])
if left < 0 then
redis.call('SET', KEYS[3], '')
redis.call('PEXPIREAT', KEYS[3], moment)
left = redis.call('PTTL', KEYS[3])
end
return moment - left
end`,
  compare: `local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm', ' primary')
local at, primary, last = clock(), identify(), {}
if not primary.text then return { 'done', 'blind' } end
if primary.role ~= 'master' then return { 'done', 'replica' } end
last.node, last.run, last.history = string.match(loaded[4] or '', '^(%S+) (%S+) (%S+)$')
local function has_moved()
if last.node == '-' or last.node == primary.node then return false end
local nodes = redis.pcall('CLUSTER', 'NODES')
local flags = type(nodes) == 'string' and string.match('\\n' .. nodes, '\\n' .. last.node .. ' %S+ (%S+)')
return flags and string.find(flags, 'master', 1, true) and not string.find(flags, 'fail', 1, true)
end
local function is_trusted()
if not last.run then return true end
if last.run == primary.run then return last.history == primary.history or string.find(primary.before, '^0+$') end
return last.history ~= primary.before and has_moved()
end
if not loaded[1] then return { 'done', 'known' } end
if loaded[1] == '2' and is_trusted() then
if primary.text ~= loaded[4] then call('HSET', STATE, ' primary', primary.text) end
return { 'done', 'known' }
end`,
  control: `local control = {}
function control.lists()
if not control.breaker then
local text = state.failures + state.trials > 0 and call('HGET', STATE, ' breaker')
control.breaker = text and cmsgpack.unpack(text) or { {}, {} }
end
return control.breaker[1], control.breaker[2]
end
function control.set_lists(failing, trying)
control.breaker = { failing, trying }
state.failures, state.trials = #failing, #trying
if state.failures + state.trials > 0 then
call('HSET', STATE, ' breaker', cmsgpack.pack(control.breaker))
else
call('HDEL', STATE, ' breaker')
end
end
function control.close_breaker()
if state.openings + state.failures + state.trials == 0 then return end
state.openings, state.openUntil, state.isAuth = 0, 0, 0
control.set_lists({}, {})
end
function control.phase()
return state.openings == 0 and 'closed' or state.now < state.openUntil and 'open' or 'half-open'
end
function control.open_breaker(auth)
state.openings, state.isAuth = state.openings + 1, auth
local base, most = 500, 15000
if auth == 1 then base, most = 2000, 60000 end
state.openUntil = state.now + math.min(most, base * 2 ^ (state.openings - 1))
control.set_lists({}, {})
end
function control.end_learning()
state.learnUntil = 0
if state.farewells > 0 then call('HDEL', STATE, ' farewells') end
state.farewells = 0
end
function control.has_left(id)
if state.farewells == 0 then return false end
return string.find(call('HGET', STATE, ' farewells'), ' ' .. id .. ' ', 1, true) ~= nil
end
function control.bid_farewell(id)
if state.learnUntil == 0 or state.farewells >= 1000 or control.has_left(id) then return end
call('HSET', STATE, ' farewells', (call('HGET', STATE, ' farewells') or ' ') .. id .. ' ')
state.farewells = state.farewells + 1
end
function control.pause(forMs, atMost)
state.control, state.pausedUntil = 1, forMs > 0 and (state.now + forMs) * (atMost and -1 or 1) or 0
end
function control.paused_for()
if state.control ~= 1 or state.pausedUntil == 0 then return 0 end
return math.max(0, math.abs(state.pausedUntil) - state.now)
end
function control.end_by_time()
if state.learnUntil > 0 and state.now >= state.learnUntil then control.end_learning() end
if state.control == 1 and state.pausedUntil ~= 0 and control.paused_for() == 0 then state.control = 0 end
if state.trials == 0 then return end
local _, trying = control.lists()
for _, trial in ipairs(trying) do
if trial[2] <= state.now then return control.open_breaker(state.isAuth) end
end
end
function control.ban()
local because, forMs
if state.learnUntil > 0 then
because, forMs = 'LEARNING', state.quietUntil - state.now
elseif state.control == 1 then
because, forMs = 'PAUSED', state.pausedUntil > 0 and control.paused_for() or 0
elseif state.control == 2 then
because, forMs = 'DRAINING', 0
elseif state.openings > 0 and (state.now < state.openUntil or state.trials >= 2) then
because, forMs = 'BREAKER', state.openUntil - state.now
end
return because, forMs and forMs > 0 and forMs or nil
end
function control.observe(id, holder, outcome)
if outcome ~= 'refused' and outcome ~= 'auth' and outcome ~= 'unanswered' then
if state.trials == 0 then return end
local failing, trying = control.lists()
local others = {}
for _, trial in ipairs(trying) do
if trial[1] ~= id then others[#others + 1] = trial end
end
return control.set_lists(failing, others)
end
local auth, now_is = outcome == 'auth' and 1 or 0, control.phase()
if now_is == 'open' then return end
if now_is == 'half-open' then return control.open_breaker(auth) end
local failing, trying = control.lists()
local recent, holders, distinct = {}, {}, 0
for _, failure in ipairs(failing) do
if failure[2] > state.now - 10000 then recent[#recent + 1] = failure end
end
recent[#recent + 1] = { holder, state.now }
if #recent > 8 then table.remove(recent, 1) end
for _, failure in ipairs(recent) do
if not holders[failure[1]] then distinct = distinct + 1 end
holders[failure[1]] = true
end
if (state.held == 0 and #recent or distinct) >= 3 then return control.open_breaker(auth) end
control.set_lists(recent, trying)
end
function control.take_census(id)
if state.learnUntil == 0 or state.now < state.quietUntil or state.now < state.censusUntil then return {} end
state.censusUntil, state.censusToken = state.now + 5000, state.censusToken + 1
call('HSET', STATE, ' census', id)
return { state.epoch, state.censusToken }
end
function control.census_of(id)
if state.learnUntil == 0 or state.now >= state.censusUntil or call('HGET', STATE, ' census') ~= id then return {} end
return { state.epoch, state.censusToken }
end
function control.is_census_out()
local ends = call('ZSCORE', TIMES, call('HGET', STATE, ' census') or '')
ends = tonumber(ends or 0)
return ends > state.now and ends < 8796093022208
end
function control.sweep()
local text = call('HGET', STATE, ' sweep')
return text and cmsgpack.unpack(text) or { '', 0, 0, 0 }
end
function control.elect(sweeper, forMs)
local it = control.sweep()
local isRunning = state.now < it[3]
if isRunning and it[1] ~= sweeper then return false end
call('HSET', STATE, ' sweep', cmsgpack.pack({ sweeper, isRunning and it[2] or state.now, state.now + forMs, it[4] }))
return true
end
function control.retire(sweeper, looked)
local it = control.sweep()
if it[1] ~= sweeper or state.now >= it[3] then return end
call('HSET', STATE, ' sweep', cmsgpack.pack({ sweeper, it[2], state.now, looked and state.now or it[4] }))
end
function control.in_force()
if state.version == 0 and state.control == 0 then return {} end
return { state.spec, state.version, CONTROLS[state.control], control.paused_for() }
end
function control.restore(text, version, word, pausedFor)
if text == '-' or version <= state.version then return end
state.version = version
for number, name in pairs(CONTROLS) do
if name == word then state.control = number end
end
if state.control == 1 then control.pause(pausedFor) end
state.apply_in_force(text)
end
function control.bring_back(at)
state.raise_bound(tonumber(ARGV[at + 6]))
control.restore(ARGV[at + 7], tonumber(ARGV[at + 8]), ARGV[at + 9], tonumber(ARGV[at + 10]))
end`,
  create: `function state.create(text)
state.known, state.now, state.clockAt = true, at, at
call('HSET', STATE, 'schema', 2, ' primary', identify().text or '')
state.read_settings(text)
state.learn()
end`,
  enter: `function state.enter()
state.now, state.clockAt = state.now + math.max(0, at - state.clockAt), at
state.isDue = state.now >= state.due
control.end_by_time()
leases.reap(16)
tickets.serve()
end
function state.next_due()
local ends = state.time_after(0, 0, 0) + state.idleMs
if state.waiting + state.claims > 0 then ends = math.min(ends, state.time_after(26388279066624, 0, 0)) end
if state.claims > 0 then ends = math.min(ends, state.time_after(17592186044416, 0, 0)) end
return ends
end
function state.is_calm()
return state.waiting + state.claims + state.revoking + state.learnUntil + state.control + state.version + state.staleBelow + state.openings + state.failures + state.trials + state.perSecond == 0
end
function state.done(reply)
tickets.serve()
local places = tickets.places_to_tell()
if places > 0 then tickets.summon(places, leases.takable(places)) end
groups.drop_empty()
if state.isDue or state.due == 0 then state.due = state.next_due() end
state.space, state.calm = state.capped() - state.headroom, state.is_calm() and 1 or 0
local fields = { 'HSET', STATE, ' pulse', struct.pack('<dddddd', state.due, state.now, state.clockAt, state.fence, state.held, state.groupCount) }
local calm = struct.pack('<ddddd', state.calm, state.space, state.protectMs, state.idleMs, state.dutyMs)
if calm ~= loaded[3] then
fields[#fields + 1], fields[#fields + 2] = ' calm', calm
end
local rest = struct.pack('<dddddddddddddddddddddddddddddddddddd', state.revoking, state.waiting, state.claims,
state.capacity, state.headroom, state.connectBoundMs, state.quantumMs, state.livenessMs, state.waitersMax, state.claimMs,
state.perSecond, state.burst, state.flagged, state.eligible, state.minima,
state.stamp, state.lookMax, state.probeAfter, state.probeFailures,
state.epoch, state.learnUntil, state.quietUntil, state.censusUntil, state.censusToken, state.farewells,
state.version, state.control, state.pausedUntil, state.foreign, state.staleBelow, state.tat,
state.openings, state.openUntil, state.isAuth, state.failures, state.trials)
if rest ~= cold[1] then
fields[#fields + 1], fields[#fields + 2] = ' rest', rest
end
groups.save(fields)
call(unpack(fields))
for _, it in ipairs(tickets.wakes) do
call('PUBLISH', string.sub(STATE, 1, -6) .. 'wake:' .. it.holder, it.id)
end
return reply
end
if state.known then state.enter() end`,
  'grant-fast': `local id, holder, groupName, settings, wait, waitText, listensText =
string.match(ARGV[1], '^(%S+) (%S+) (%S+) (%S+) ([01]) (%S+) ([01])$')
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm', ' spec', id, ' g' .. groupName)
local at = clock()
if #ARGV == 1 and not loaded[5] and loaded[4] == settings and loaded[1] == '2' then
local calm, space, protectMs, idleMs = struct.unpack('<ddddd', loaded[3])
local due, now, clockAt, fence, held, groupCount = struct.unpack('<dddddd', loaded[2])
if at > clockAt then now = now + at - clockAt end
local isNew, taken, max = not loaded[6], 0, 1000000000
if not isNew then
local _
taken, _, max = struct.unpack('<ddd', loaded[6])
end
if calm == 1 and now < due and held < space and taken < max and call('ZCARD', TIMES) == held
and (not isNew or groupCount < 64 - 1) then
if isNew then
loaded[6], groupCount = struct.pack('<dddddddd', 0, 0, 1000000000, 0, 0, 0, 0, -1), groupCount + 1
call('HSET', STATE, ' names', (call('HGET', STATE, ' names') or ' ') .. groupName .. ' ')
end
fence = math.max(fence + 1, (now - 1767225600000) * 1024)
local ends = now + protectMs
if ends + idleMs < due then due = ends + idleMs end
call('ZADD', TIMES, ends .. '', id)
call('HSET', STATE, id, struct.pack('<dddBBBsss', fence, 0, now, 0, 0, 0, holder, groupName, '-'),
' pulse', struct.pack('<dddddd', due, now, at, fence, held + 1, groupCount),
' g' .. groupName, struct.pack('<d', taken + 1) .. string.sub(loaded[6], 9))
return held + 1 < space and fence or -fence
end
end`,
  groups: `local groups = { loaded = {}, isRenamed = false }
function groups.list_names()
local names = groups.names
if not names then
names = {}
groups.names = names
local text = state.groupCount > 0 and call('HGET', STATE, ' names') or ''
for name in string.gmatch(text, '%S+') do names[#names + 1] = name end
end
return names
end
function groups.find(name)
local it = groups.loaded[name]
if it then return it end
local text = call('HGET', STATE, ' g' .. name)
if not text then return nil end
it = { name = name, text = text }
it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.place = struct.unpack('<dddddddd', text)
groups.loaded[name] = it
return it
end
function groups.set_share(it, min, max, priority)
state.minima = state.minima - it.min + min
state.eligible = state.eligible - groups.eligible_of(it)
it.min, it.max, it.priority = min, max, priority
state.eligible = state.eligible + groups.eligible_of(it)
end
local function is_unsaid(it)
return it.version == 0 and it.min == 0 and it.max == 1000000000 and it.priority == 0 and it.name ~= '~'
end
function groups.of(name, min, max, priority, limit)
local it = groups.find(name)
local isFull = not it and state.groupCount >= 64 - 1 and name ~= '~'
if isFull then return groups.of('~', 0, 1000000000, 0, 0) end
if state.minima + min > limit then min = 0 end
if it then
if is_unsaid(it) then groups.set_share(it, min, max, priority) end
return it
end
it = { name = name, taken = 0, min = min, max = max, priority = priority, waiting = 0, flagged = 0, version = 0, place = -1 }
groups.loaded[name] = it
table.insert(groups.list_names(), name)
state.groupCount, state.minima, groups.isRenamed = state.groupCount + 1, state.minima + min, true
return it
end
function groups.all()
local all = {}
for i, name in ipairs(groups.list_names()) do all[i] = groups.find(name) end
return all
end
function groups.urgent_of(it)
return math.min(it.waiting, math.max(0, it.min - it.taken))
end
function groups.eligible_of(it)
return math.min(it.waiting, math.max(0, it.max - it.taken))
end
function groups.change(it, taken, waits)
state.eligible = state.eligible - groups.eligible_of(it)
it.taken, it.waiting, state.waiting = it.taken + taken, it.waiting + waits, state.waiting + waits
state.eligible = state.eligible + groups.eligible_of(it)
end
function groups.place_of(it)
if it.place >= 0 then return 1125899906842624 + it.place * 17592186044416 end
local used, place = {}, 0
for _, other in ipairs(state.waiting > 0 and groups.all() or {}) do used[other.place] = true end
while used[place] do place = place + 1 end
it.place = place
return 1125899906842624 + place * 17592186044416
end
function groups.older_in(it, than)
if it.waiting == 0 then return 0 end
local first = groups.place_of(it)
return call('ZCOUNT', TIMES, whole(first), '(' .. whole(first + than))
end
function groups.drop_empty()
for name, it in pairs(groups.loaded) do
if it.taken == 0 and it.waiting == 0 and it.version == 0 then
groups.loaded[name], state.groupCount, state.minima, groups.isRenamed = nil, state.groupCount - 1, state.minima - it.min, true
if it.text then call('HDEL', STATE, ' g' .. name) end
for i, each in ipairs(groups.list_names()) do
if each == name then table.remove(groups.names, i) break end
end
end
end
end
function groups.save(fields)
for name, it in pairs(groups.loaded) do
if it.waiting == 0 then it.place = -1 end
local text = struct.pack('<dddddddd', it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.place)
if text ~= it.text then
fields[#fields + 1] = ' g' .. name
fields[#fields + 1] = text
end
end
if not groups.isRenamed then return end
fields[#fields + 1] = ' names'
fields[#fields + 1] = ' ' .. table.concat(groups.names, ' ') .. ' '
end`,
  identify: `local function identify()
local server, replication, node = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'replication'), redis.pcall('CLUSTER', 'MYID')
if type(server) ~= 'string' or type(replication) ~= 'string' then return {} end
local it = { node = type(node) == 'string' and node or '-', run = string.match(server, 'run_id:(%w+)'), role = string.match(replication, 'role:(%w+)'),
history = string.match(replication, 'master_replid:(%w+)'), before = string.match(replication, 'master_replid2:(%w+)') }
if not (it.run and it.history and it.before) then return {} end
it.text = it.node .. ' ' .. it.run .. ' ' .. it.history
return it
end`,
  keys: `local STATE, TIMES = KEYS[1], KEYS[2]
local call = redis.call`,
  leases: `local LOSSES, LOSS = { 'revoked', 'expired', 'abandoned' }, { revoked = 1, expired = 2, abandoned = 3 }
local leases = {}
state.expired = 0
function leases.decode(id, text)
local it, next = { id = id }, nil
it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session, next = struct.unpack('<dddBBBsss', text)
if it.loss > 0 then it.revokedAt, it.lookAt, it.endAt = struct.unpack('<ddd', text, next) end
return it
end
function leases.read(id)
local text = call('HGET', STATE, id)
return text and leases.decode(id, text) or nil
end
function leases.write(it)
local text = struct.pack('<dddBBBsss', it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session)
if it.loss > 0 then text = text .. struct.pack('<ddd', it.revokedAt, it.lookAt, it.endAt) end
call('HSET', STATE, it.id, text)
end
function leases.ends_of(id)
return tonumber(call('ZSCORE', TIMES, id))
end
function leases.protect(id, ends)
call('ZADD', TIMES, ends, id)
state.due = math.min(state.due, ends + state.idleMs)
end
function leases.next_fence()
return math.max(state.fence + 1, (state.now - 1767225600000) * 1024)
end
function leases.reconnected_ago()
if state.staleBelow == 0 then return {} end
return { math.max(0, state.now - 1767225600000 - math.floor(state.staleBelow / 1024)) }
end
function leases.put(id, itsFence, holder, group, probe, session, ends)
local it = { id = id, fence = itsFence, turn = 0, grantedAt = state.now, probe = probe, flag = 0, loss = 0,
holder = holder, group = group.name, session = session }
state.fence, state.held = math.max(state.fence, itsFence), state.held + 1
leases.protect(id, ends)
groups.change(group, 1, 0)
return it
end
function leases.bind(it, session)
if it.session ~= '-' or session == '-' then return end
it.session = session
control.close_breaker()
end
function leases.unflag(it)
if it.flag == 0 then return end
local group = groups.find(it.group)
it.flag, state.flagged, group.flagged = 0, state.flagged - 1, group.flagged - 1
end
function leases.take_over(it, holder, at)
if it.holder ~= '?' then return end
it.holder = holder
if not at or ARGV[at + 5] == '-' then return end
control.bring_back(at)
groups.change(groups.find(it.group), -1, 0)
local group = groups.of(ARGV[at + 5], 0, 1000000000, 0, 0)
groups.change(group, 1, 0)
it.group = group.name
end
function leases.owned(id, holder, itsFence, at)
local it = leases.read(id)
if not it or it.loss > 0 then return nil, it and LOSSES[it.loss] or 'unknown', it end
if it.fence ~= itsFence then return nil, 'unknown', it end
leases.take_over(it, holder, at)
if it.holder ~= holder then return nil, 'unknown', it end
return it, nil, it
end
function leases.takable(limit)
local own = nil
local forAll = state.revoking > 0 and #state.members(8796093022208, state.now, limit) or 0
if state.held == 0 or forAll >= limit then return forAll, own end
if state.minima == 0 then return forAll + #state.members(0, state.now, limit - forAll), own end
for _, id in ipairs(state.members(0, state.now, 100)) do
local group = groups.find(leases.read(id).group)
if group.taken > group.min then
forAll = forAll + 1
else
own = own or {}
own[group.name] = (own[group.name] or 0) + 1
end
end
return forAll, own
end
function leases.should_yield(it, group)
if state.control == 2 or state.flagged < state.debt() then return true end
if it.fence < state.staleBelow and state.flagged < math.max(1, state.headroom) then return true end
if state.now - it.grantedAt < state.quantumMs then return false end
if group.taken >= group.max and group.flagged < group.waiting then return true end
local wanted = state.debt() + math.max(0, state.eligible - math.max(0, state.room()))
if (group.waiting > 0 or group.taken > group.min) and state.flagged < wanted then return true end
return state.headroom == 0 and state.count() >= state.capped()
end
function leases.flag_if_wanted(it)
if it.flag == 1 then return end
local group = groups.find(it.group)
if not leases.should_yield(it, group) then return end
it.flag, state.flagged, group.flagged = 1, state.flagged + 1, group.flagged + 1
end
function leases.probe_failed(before)
state.probeFailures = before + 1
state.probeAfter = state.now + math.min(60000, 1000 * 2 ^ math.max(0, state.probeFailures - 1))
end
function leases.remove_held(it)
leases.unflag(it)
call('ZREM', TIMES, it.id)
state.held = state.held - 1
groups.change(groups.find(it.group), -1, 0)
end
function leases.free_duty(it)
call('ZADD', TIMES, 8796093022208 + math.max(state.now, it.lookAt), it.id)
end
function leases.revoke(it, reason)
local ended, isBound = math.min(state.now, leases.ends_of(it.id)), it.session ~= '-'
local connectOver = (reason == 'abandoned' and state.now or ended) + state.connectBoundMs
leases.remove_held(it)
it.loss, it.revokedAt, it.lookAt = LOSS[reason], state.now, isBound and 0 or connectOver
it.endAt = isBound and ended + state.idleMs + state.connectBoundMs or connectOver
leases.free_duty(it)
leases.write(it)
state.revoking, state.lookMax = state.revoking + 1, math.max(state.lookMax, it.lookAt)
if it.probe == 1 and not isBound then leases.probe_failed(state.probeFailures) end
end
function leases.remove_revoking(it)
call('HDEL', STATE, it.id)
call('ZREM', TIMES, it.id)
state.revoking, state.probeFailures, state.probeAfter = state.revoking - 1, 0, 0
if state.revoking == 0 then state.lookMax = 0 end
end
function leases.reap(limit)
if state.held > 0 and state.now >= state.due then
for _, id in ipairs(state.members(0, state.now - state.idleMs, limit)) do
leases.revoke(leases.read(id), 'expired')
state.expired = state.expired + 1
end
end
if state.now >= state.due then tickets.reap(limit) end
local surplus = state.control == 2 and state.held or math.max(state.debt() - state.revoking,
state.waiting > 0 and state.held - (state.capped() - state.headroom) or 0)
surplus = math.min(limit, surplus)
if surplus <= 0 then return end
for _, id in ipairs(state.members(0, state.now, surplus)) do leases.revoke(leases.read(id), 'revoked') end
end
function leases.duty_of(it)
local wait = math.max(0, it.lookAt - state.now)
call('ZADD', TIMES, 8796093022208 + state.now + wait + state.dutyMs, it.id)
return { it.id, it.fence, it.session, wait }
end
function leases.take_duties(duties, limit, upTo)
if state.revoking == 0 or #duties >= limit then return duties end
for _, id in ipairs(state.members(8796093022208, upTo, limit - #duties)) do
duties[#duties + 1] = leases.duty_of(leases.read(id))
end
return duties
end
function leases.pressure(group)
local free = state.room()
local isAtMax = group and group.taken >= group.max and group.waiting > 0
return (state.eligible > math.max(0, free) or isAtMax or free <= 0 or state.control == 2) and 1 or 0
end
function leases.renew_after()
local longest = math.floor(state.protectMs / 3)
if state.waiting == 0 then return longest end
return math.min(longest, math.max(math.floor(state.protectMs / 20), math.ceil(state.held * 1000 / 1000)))
end`,
  load: `local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm')
local at = clock()`,
  'release-fast': `local words = ARGV
if #ARGV == 1 then words = { string.match(ARGV[1], '^(%S+) (%S+) (%S+) (%S+)$') } end
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm', words[2] or '')
local at = clock()
if #words == 4 and loaded[4] and loaded[1] == '2' and (words[4] == 'closed' or words[4] == 'unused') then
local calm = struct.unpack('<ddddd', loaded[3])
local due, now, clockAt, top, held, groupCount = struct.unpack('<dddddd', loaded[2])
if at > clockAt then now = now + at - clockAt end
local fence, _, _, probe, flag, loss, holder, groupName = struct.unpack('<dddBBBsss', loaded[4])
if calm == 1 and now < due and probe + flag + loss == 0 and holder == words[1] and fence == tonumber(words[3]) then
local group = call('HGET', STATE, ' g' .. groupName)
local taken, min, _, _, _, _, version = struct.unpack('<ddddddd', group)
local isLast = taken + version == 1
if not (isLast and min > 0) and call('ZREM', TIMES, words[2]) == 1 then
if isLast then
local names, name = call('HGET', STATE, ' names'), ' ' .. groupName .. ' '
local from, to = string.find(names, name, 1, true)
call('HDEL', STATE, words[2], ' g' .. groupName)
call('HSET', STATE, ' pulse', struct.pack('<dddddd', due, now, at, top, held - 1, groupCount - 1),
' names', string.sub(names, 1, from) .. string.sub(names, to + 1))
else
call('HDEL', STATE, words[2])
call('HSET', STATE, ' pulse', struct.pack('<dddddd', due, now, at, top, held - 1, groupCount),
' g' .. groupName, struct.pack('<d', taken - 1) .. string.sub(group, 9))
end
return 'released'
end
end
end`,
  'renew-fast': `local fields = { 'HMGET', STATE, 'schema', ' pulse', ' calm' }
if ARGV[2] == '-' then
for i = 3, #ARGV, 5 do fields[#fields + 1] = ARGV[i] end
end
local loaded = call(unpack(fields))
local at = clock()
local function renew_all(protectMs, now, pulse, dutyMs)
local times, records, outcomes, seen = { 'ZADD', TIMES }, { 'HSET', STATE }, {}, {}
for i = 3, #ARGV, 5 do
local id, text = ARGV[i], loaded[3 + (i + 2) / 5]
if not text or seen[id] then return nil end
seen[id] = true
local fence, turn, grantedAt, probe, flag, loss, holder, group, session = struct.unpack('<dddBBBsss', text)
if flag + loss > 0 or holder ~= ARGV[1] or fence ~= tonumber(ARGV[i + 1]) or tonumber(ARGV[i + 2]) <= turn then return nil end
if session == '-' then session = ARGV[i + 3] end
local n = #times
times[n + 1], times[n + 2] = now + protectMs .. '', id
records[n + 1], records[n + 2] = id, struct.pack('<dddBBBsss', fence, tonumber(ARGV[i + 2]), grantedAt, probe, 0, 0, holder, group, session)
outcomes[#outcomes + 1] = { 'held', protectMs, 0 }
end
if #outcomes == 0 then return nil end
records[#records + 1], records[#records + 2] = ' pulse', pulse
call(unpack(times))
call(unpack(records))
return { 'renewed', 0, math.floor(protectMs / 3), dutyMs, outcomes, {}, {}, {} }
end
if ARGV[2] == '-' and loaded[1] == '2' then
local calm, space, protectMs, _, dutyMs = struct.unpack('<ddddd', loaded[3])
local due, now, clockAt, fence, held, groupCount = struct.unpack('<dddddd', loaded[2])
if at > clockAt then now = now + at - clockAt end
if calm == 1 and now < due and held < space then
local reply = renew_all(protectMs, now, struct.pack('<dddddd', due, now, at, fence, held, groupCount), dutyMs)
if reply then return reply end
end
end`,
  state: `local state = {}
if loaded[1] and tonumber(loaded[1]) > 2 then return { 'upgrade', tonumber(loaded[1]) } end
state.known = loaded[1] == '2'
function state.forget()
call('DEL', STATE, TIMES)
end
local cold = state.known and call('HMGET', STATE, ' rest', ' spec') or {}
if state.known then
local _, _, _, _, held = struct.unpack('<dddddd', loaded[2])
local revoking, waiting, claims = struct.unpack('<ddd', cold[1])
state.known = call('ZCARD', TIMES) == held + revoking + 2 * (waiting + claims)
end
if loaded[1] and not state.known then
state.forget()
loaded, cold = {}, {}
end
state.spec = cold[2]
state.due, state.now, state.clockAt, state.fence, state.held, state.groupCount = struct.unpack('<dddddd', loaded[2] or string.rep('\\0', 48))
state.calm, state.space, state.protectMs, state.idleMs, state.dutyMs = struct.unpack('<ddddd', loaded[3] or string.rep('\\0', 40))
state.revoking, state.waiting, state.claims,
state.capacity, state.headroom, state.connectBoundMs, state.quantumMs, state.livenessMs, state.waitersMax, state.claimMs,
state.perSecond, state.burst, state.flagged, state.eligible, state.minima,
state.stamp, state.lookMax, state.probeAfter, state.probeFailures,
state.epoch, state.learnUntil, state.quietUntil, state.censusUntil, state.censusToken, state.farewells,
state.version, state.control, state.pausedUntil, state.foreign, state.staleBelow, state.tat,
state.openings, state.openUntil, state.isAuth, state.failures, state.trials = struct.unpack('<dddddddddddddddddddddddddddddddddddd', cold[1] or string.rep('\\0', 288))
local CONTROLS = { [0] = 'open', 'paused', 'draining' }
local function whole(value)
return string.format('%.0f', value)
end
function state.members(band, upTo, limit)
return call('ZRANGEBYSCORE', TIMES, band, band + upTo, 'LIMIT', 0, limit)
end
function state.time_after(band, than, skip)
local found = call('ZRANGEBYSCORE', TIMES, '(' .. whole(band + than), band + 8796093022207, 'WITHSCORES', 'LIMIT', skip, 1)[2]
return found and tonumber(found) - band or math.huge
end
function state.read_settings(text)
state.spec = text
local values = {}
for value in string.gmatch(text, '%d+') do values[#values + 1] = tonumber(value) end
state.capacity, state.headroom, state.protectMs, state.idleMs, state.connectBoundMs, state.quantumMs, state.dutyMs, state.livenessMs, state.waitersMax, state.claimMs, state.perSecond, state.burst =
unpack(values)
call('HSET', STATE, ' spec', text)
state.due = 0
end
function state.raise_bound(bound)
local more = bound - state.connectBoundMs
if more <= 0 then return end
state.read_settings((string.gsub(state.spec, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. whole(bound))))
if state.learnUntil > 0 then state.learnUntil, state.quietUntil = state.learnUntil + more, state.quietUntil + more end
end
function state.bound_in(text)
return tonumber(string.match(text, '^%d+,%d+,%d+,%d+,(%d+)'))
end
function state.apply_in_force(text)
local own = whole(state.connectBoundMs)
state.read_settings((string.gsub(text, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. own)))
state.raise_bound(state.bound_in(text))
end
function state.learn()
state.epoch = state.now
state.learnUntil = state.now + state.protectMs + state.idleMs + state.connectBoundMs
local connect = 1000 + state.connectBoundMs + (state.perSecond > 0 and 5000 or 0)
state.quietUntil = state.now + math.max(connect, state.dutyMs)
end
function state.capped()
return math.max(0, state.capacity - state.foreign)
end
function state.count()
return state.held + state.revoking
end
function state.debt()
return math.max(0, state.held + state.revoking - state.capped())
end
function state.room()
return state.capped() - state.headroom - state.held - state.revoking - state.claims
end
function state.connect_after()
if state.perSecond == 0 then return 0 end
local interval = 1000 / state.perSecond
return math.max(0, math.ceil(state.tat + interval - state.burst * interval - state.now))
end
function state.connected_after()
local after = state.connect_after()
return after > 0 and after + 100 or 0
end
function state.starts_left()
if state.perSecond == 0 then return math.huge end
local free = 5000 - math.max(0, state.tat - state.now)
return math.max(0, math.floor(free * state.perSecond / 1000) + state.burst)
end`,
  tickets: `local tickets = { wakes = {} }
function tickets.read(id)
local text = state.waiting + state.claims > 0 and call('HGET', STATE, ' t' .. id)
if not text then return nil end
local it = { id = id }
it.stamp, it.listens, it.isPassedOver, it.isSummoned, it.group, it.holder = struct.unpack('<dBBBss', text)
return it
end
function tickets.write(it)
call('HSET', STATE, ' t' .. it.id, struct.pack('<dBBBss', it.stamp, it.listens, it.isPassedOver, it.isSummoned, it.group, it.holder))
end
function tickets.has_claim(id)
return state.claims > 0 and tonumber(call('ZSCORE', TIMES, ' ' .. id)) < 1125899906842624
end
function tickets.keep_alive(id)
local ends = state.now + state.livenessMs
call('ZADD', TIMES, 26388279066624 + ends, '  ' .. id)
state.due = math.min(state.due, ends)
end
function tickets.enqueue(it, group)
call('ZADD', TIMES, groups.place_of(group) + it.stamp, ' ' .. it.id)
groups.change(group, 0, 1)
end
function tickets.add(id, order, listens, group, holder)
local it = { id = id, stamp = order, listens = listens, isPassedOver = 0, isSummoned = 0, group = group.name, holder = holder }
tickets.write(it)
tickets.enqueue(it, group)
end
function tickets.claim(it)
local ends = state.now + state.claimMs
groups.change(groups.find(it.group), 1, -1)
call('ZADD', TIMES, 17592186044416 + ends, ' ' .. it.id)
state.claims, state.due = state.claims + 1, math.min(state.due, ends)
tickets.wakes[#tickets.wakes + 1] = it
end
function tickets.unclaim(group)
groups.change(group, -1, 0)
state.claims = state.claims - 1
end
function tickets.forget(id)
local it = tickets.read(id)
if not it then return false end
local group = groups.find(it.group)
if tickets.has_claim(id) then tickets.unclaim(group) else groups.change(group, 0, -1) end
call('ZREM', TIMES, ' ' .. id, '  ' .. id)
call('HDEL', STATE, ' t' .. id)
return true
end
function tickets.reap(limit)
if state.waiting + state.claims == 0 then return end
for _, member in ipairs(state.members(26388279066624, state.now, limit)) do tickets.forget(string.sub(member, 3)) end
if state.claims == 0 then return end
for _, member in ipairs(state.members(17592186044416, state.now, limit)) do
local it = tickets.read(string.sub(member, 2))
local group = groups.find(it.group)
it.isPassedOver = 1
tickets.write(it)
tickets.unclaim(group)
tickets.enqueue(it, group)
end
end
function tickets.is_better(one, other)
if one.isUrgent ~= other.isUrgent then return one.isUrgent end
if one.group.priority ~= other.group.priority then return one.group.priority > other.group.priority end
if one.stamp ~= other.stamp then return one.stamp < other.stamp end
return one.id < other.id
end
function tickets.oldest(group)
local first = groups.place_of(group)
local found, line = call('ZRANGEBYSCORE', TIMES, first, '(' .. whole(first + 17592186044416), 'LIMIT', 0, 16), {}
for _, member in ipairs(found) do
local it = tickets.read(string.sub(member, 2))
if it.isPassedOver == 0 then line[#line + 1] = it end
end
return line
end
function tickets.choose(limit)
local lines, chosen = {}, {}
for _, group in ipairs(groups.all()) do
if group.waiting > 0 then lines[#lines + 1] = { group = group, served = 0, tickets = tickets.oldest(group) } end
end
while #chosen < limit do
local best
for _, line in ipairs(lines) do
local group, ticket, taken = line.group, line.tickets[line.served + 1], line.group.taken + line.served
if ticket and taken < group.max then
local one = { ticket = ticket, group = group, line = line, isUrgent = taken < group.min, stamp = ticket.stamp, id = ticket.id }
if not best or tickets.is_better(one, best) then best = one end
end
end
if not best then break end
best.line.served = best.line.served + 1
chosen[#chosen + 1] = best.ticket
end
return chosen
end
function tickets.serve()
local limit = math.min(state.room(), 16, state.starts_left() - state.claims)
if limit <= 0 or state.eligible == 0 or state.openings > 0 or control.ban() then return end
for _, it in ipairs(tickets.choose(limit)) do
if it.listens == 1 then tickets.claim(it) end
end
end
function tickets.places_to_tell()
if state.eligible == 0 or state.openings > 0 or control.ban() then return 0 end
return math.max(0, math.min(state.capped() - state.count() - state.claims, 16, state.starts_left() - state.claims))
end
function tickets.summon(places, forAll, own)
if forAll == 0 and not own then return end
for _, it in ipairs(tickets.choose(places)) do
local ofGroup = own and own[it.group] or 0
local isTakable = ofGroup > 0 or forAll > 0
if ofGroup > 0 then own[it.group] = ofGroup - 1 elseif isTakable then forAll = forAll - 1 end
if isTakable and it.listens == 1 and it.isSummoned == 0 then
it.isSummoned = 1
tickets.write(it)
tickets.wakes[#tickets.wakes + 1] = it
end
end
end`,
} as const;

/** The whole of a script is the parts that it uses, in order, and its body, joined with newlines; sha1 is that of the whole. */
export const SCRIPTS = {
  abandon: {
    sha1: 'cb07c3903227cf4945aadd5ea62dbd9b59a69913',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, reply = ARGV[1], { 'done' }
local function bind_late(it, session)
if it.session ~= '-' or session == '-' then return end
it.session, it.endAt = session, state.now + state.idleMs + state.connectBoundMs
local isFree = tonumber(call('ZSCORE', TIMES, it.id)) == 8796093022208 + it.lookAt
it.lookAt = 0
if isFree then leases.free_duty(it) end
leases.write(it)
end
local function abandon(id, itsFence, session, outcome)
if not state.known then return 'unknown' end
local it, _, record = leases.owned(id, holder, itsFence)
if it then
leases.bind(it, session)
leases.revoke(it, 'abandoned')
control.observe(id, it.holder, outcome)
return 'abandoned'
end
if not record or record.loss == 0 or record.holder ~= holder or record.fence ~= itsFence then return 'unknown' end
bind_late(record, session)
return 'abandoned'
end
for i = 2, #ARGV, 4 do
reply[#reply + 1] = abandon(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3])
end
return state.known and state.done(reply) or reply`,
  },
  adopt: {
    sha1: '2d1b6e6ce86a7bb477867de5b0d23ac91e06eb36',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not state.known then return { 'done', 'refused' } end
local isLast = tonumber(ARGV[2]) > 0 and tonumber(ARGV[2]) == state.censusToken
if tonumber(ARGV[1]) ~= state.epoch or state.learnUntil > 0 and not isLast then return state.done({ 'done', 'refused' }) end
for i = 5, #ARGV, 3 do
local id = ARGV[i]
if not leases.read(id) and not control.has_left(id) then
tickets.forget(id)
local group = groups.of('unknown', 0, 1000000000, 0, 0)
leases.write(leases.put(id, tonumber(ARGV[i + 1]), '?', group, 0, ARGV[i + 2], state.now + state.protectMs))
end
end
if ARGV[3] == '1' then
state.foreign = tonumber(ARGV[4])
control.end_learning()
end
return state.done({ 'done', 'adopted' })`,
  },
  configure: {
    sha1: 'd89fc955dd10740f022fc9354807284126af80d8',
    uses: ['keys', 'clock', 'load', 'identify', 'state', 'create', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local wasKnown = state.known
if not state.known then
state.create(ARGV[1])
state.enter()
end
state.raise_bound(state.bound_in(ARGV[1]))
if ARGV[2] == '1' then control.end_learning() end
return state.done({ wasKnown and 'exists' or 'created', state.spec, math.max(0, state.learnUntil - state.now) })`,
  },
  forget: {
    sha1: '14f7210b0c3b480d18e6e339f7aa66ca64c06704',
    uses: ['keys', 'clock', 'load', 'state'],
    body: `state.forget()
return { 'done' }`,
  },
  grant: {
    sha1: '4f084066aebf2790ca0a60290d975372924abe18',
    uses: ['keys', 'clock', 'grant-fast', 'identify', 'state', 'create', 'control', 'groups', 'tickets', 'leases', 'enter', 'admit'],
    body: `local waits, again, asked = wait == '1', ARGV[2] == '1', tonumber(ARGV[3] or 0)
local waitMs, listens = tonumber(waitText), listensText == '1' and 1 or 0
local min, max, priority = string.match(ARGV[4] or '-', '^(%d+),(%d+),(%d+)$')
if not state.known then
state.create(settings)
state.enter()
end
state.raise_bound(state.bound_in(settings))
local function differ(group)
local isOther = min and (group.min ~= tonumber(min) or group.max ~= tonumber(max) or group.priority ~= tonumber(priority))
return (isOther or settings ~= state.spec) and 1 or 0
end
local function granted(it, duties, census)
local protect, group = math.max(0, leases.ends_of(id) - state.now), groups.find(it.group)
return state.done({ 'granted', it.fence, protect, state.idleMs, math.max(0, protect - state.protectMs), leases.renew_after(), state.dutyMs, it.probe,
leases.pressure(group), differ(group), duties, control.in_force(), census })
end
local it = leases.read(id)
if it and it.loss > 0 then return state.done({ 'lost', LOSSES[it.loss] }) end
if it and it.holder ~= holder then return state.done({ 'lost', 'unknown' }) end
if it then return granted(it, {}, control.census_of(id)) end
local ticket = tickets.read(id)
if again and not ticket then return state.done({ 'lost', 'unknown' }) end
local group = ticket and groups.find(ticket.group)
or groups.of(groupName, tonumber(min or 0), tonumber(max or 1000000000), tonumber(priority or 0), state.capacity - state.headroom)
local upcoming = math.max(state.stamp + 1, (state.now - 1767225600000) * 8)
local order = ticket and ticket.stamp or asked > 0 and asked < upcoming and asked or upcoming
local verdict = admit.judge(id, group, order, ticket, waits, waitMs)
local because, forMs, ahead = verdict.because, verdict.forMs, verdict.ahead
if verdict.how then
local duties = admit.take_over(verdict)
local lease = admit.hold(id, holder, group, verdict.how == 'probe' and 1 or 0)
if ticket then tickets.forget(id) end
return granted(lease, duties, verdict.census)
end
local hint = because and (forMs or 500) or admit.retry_after(ahead)
local function denied(reason, why)
return state.done({ 'denied', reason, hint, why, state.count(), state.capacity })
end
if waits and forMs and waitMs and forMs > waitMs then
if ticket then tickets.forget(id) end
return denied('DEADLINE_NEAR', because)
end
if ticket then
ticket.listens, ticket.isPassedOver, ticket.isSummoned = listens, 0, 0
tickets.write(ticket)
else
if not waits then return denied(because or 'FULL', '-') end
if state.waiting + state.claims >= state.waitersMax then return denied('QUEUE_FULL', '-') end
state.stamp = math.max(state.stamp, order)
tickets.add(id, order, listens, group, holder)
end
tickets.keep_alive(id)
return state.done({ 'queued', ahead + 1, order, math.min(500, hint), because or '-', state.count(), state.capacity,
leases.pressure(group), differ(group), control.in_force() })`,
  },
  inspect: {
    sha1: '89837e7034ba819afbc814cbe9586e2a019a0d47',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not state.known then return { 'unknown' } end
local limit, entries, shares = math.min(tonumber(ARGV[1]), 100), {}, {}
local function add(id, ends)
local it = leases.read(id)
local word = it.loss > 0 and 'revoking' or ends > state.now and 'protected' or 'revocable'
entries[#entries + 1] = { it.id, it.fence, word, it.holder, it.group, it.session, it.probe }
end
local function list(band)
if #entries >= limit then return end
local found = call('ZRANGEBYSCORE', TIMES, band, band + 8796093022207, 'WITHSCORES', 'LIMIT', 0, limit - #entries)
for i = 1, #found, 2 do add(found[i], tonumber(found[i + 1])) end
end
list(0)
list(8796093022208)
for i = 2, math.min(#ARGV, 100 + 1) do
local ends = leases.ends_of(ARGV[i])
if ends and leases.read(ARGV[i]) then add(ARGV[i], ends) end
end
local sweep, seen = control.sweep(), {}
if sweep[2] > 0 then
seen = { state.now - sweep[2], state.now < sweep[3] and 1 or 0, sweep[4] > 0 and { state.now - sweep[4] } or {} }
end
for i, it in ipairs(groups.all()) do shares[i] = { it.name, it.min, it.max, it.priority, it.taken, it.waiting } end
local protected = call('ZCOUNT', TIMES, '(' .. whole(state.now), 8796093022207)
return state.done({ 'state', state.spec, state.held, protected, state.revoking, state.waiting + state.claims, state.flagged, math.max(0, state.learnUntil - state.now), state.claims,
state.debt(), state.foreign, state.epoch, state.version, CONTROLS[state.control], control.paused_for(), leases.reconnected_ago(), control.phase(), shares, entries, seen })`,
  },
  operate: {
    sha1: '1632220c2e08ef29786016f3273012669d8369d5',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not state.known then return { 'done', 'unknown' } end
local kind, handlers = ARGV[1], {}
function handlers.pause()
control.pause(tonumber(ARGV[2]), ARGV[3] == '1')
end
function handlers.resume()
state.control = 0
control.close_breaker()
end
function handlers.drain()
state.control = 2
end
function handlers.reconnect()
state.staleBelow = leases.next_fence()
end
function handlers.observe()
control.observe('', ARGV[2], ARGV[3])
return 'done'
end
function handlers.retire()
control.retire(ARGV[2], ARGV[3] == '1')
return 'done'
end
function handlers.resize()
local most, kept, next = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) or state.version + 1
if next <= state.version then return 'stale' end
if state.minima > most - kept then return 'refused' end
state.read_settings((string.gsub(state.spec, '^%d+,%d+', ARGV[2] .. ',' .. ARGV[3])))
state.version = next
return 'done'
end
function handlers.share()
local min, max, priority = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local group = groups.of(ARGV[2], 0, 1000000000, 0, 0)
local next = tonumber(ARGV[6]) or group.version + 1
if next <= group.version then return 'stale' end
if state.minima - group.min + min > state.capacity - state.headroom then return 'refused' end
groups.set_share(group, min, max, priority)
group.version = next
return 'done'
end
local word = handlers[kind]()
if not word then
state.version, word = state.version + 1, 'done'
end
return state.done({ 'done', word })`,
  },
  park: {
    sha1: '616f8ef522eb5752683a60f60fba2b4356543fbd',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, outcomes, last = ARGV[1], {}, nil
local function park(id, itsFence, turn, session)
local it, loss, record = leases.owned(id, holder, itsFence)
if record and record.loss == 0 and record.holder == holder then last = record.group end
if not it then return { 'lost', loss } end
local ends = leases.ends_of(id)
leases.bind(it, session)
if turn > it.turn then
it.turn, ends = turn, math.min(state.now, ends)
leases.protect(id, ends)
leases.flag_if_wanted(it)
end
leases.write(it)
if ends > state.now then return { 'held', ends - state.now } end
return { it.flag == 1 and 'yield' or 'parked' }
end
for i = 2, #ARGV, 4 do
outcomes[#outcomes + 1] = state.known and park(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]) or { 'lost', 'unknown' }
end
if not state.known then return { 'parked', 0, outcomes, {} } end
return state.done({ 'parked', leases.pressure(last and groups.find(last)), outcomes, control.in_force() })`,
  },
  primary: {
    sha1: 'cbc2106889eb370aeefd28a7ba66fa30dd4340f0',
    uses: ['keys', 'clock', 'identify', 'compare', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not state.known then return { 'done', 'known' } end
if primary.before ~= last.history and state.now < state.epoch + 60000 then return state.done({ 'done', 'known' }) end
local shares = groups.all()
for _, it in ipairs(shares) do it.taken, it.waiting, it.flagged, it.text = 0, 0, 0, nil end
groups.isRenamed, tickets.wakes, loaded, cold = true, {}, {}, {}
state.forget()
call('HSET', STATE, 'schema', 2, ' spec', state.spec, ' primary', primary.text)
state.held, state.revoking, state.waiting, state.claims, state.flagged, state.eligible = 0, 0, 0, 0, 0, 0
state.lookMax, state.probeAfter, state.probeFailures, state.censusUntil, state.farewells = 0, 0, 0, 0, 0
state.failures, state.trials, state.due = 0, 0, 0
state.learn()
return state.done({ 'done', 'learning' })`,
  },
  release: {
    sha1: '977bc48bc86931b65611e5e9be9e6583afc29a3f',
    uses: ['keys', 'clock', 'release-fast', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, reply = words[1], { 'done' }
local function may_release(it, itsFence)
if it.fence == itsFence then return it.holder == holder or it.holder == '?' end
return itsFence == 0 and it.holder == holder
end
local function release(id, itsFence, outcome)
if not state.known then return 'unknown' end
if tickets.forget(id) then return 'released' end
local it = leases.read(id)
if it and not may_release(it, itsFence) then return 'unknown' end
control.bid_farewell(id)
if not it then return 'unknown' end
local before = state.probeFailures
if it.loss > 0 then
leases.remove_revoking(it)
else
leases.remove_held(it)
call('HDEL', STATE, id)
end
if it.probe == 1 and outcome == 'refused' then leases.probe_failed(before) end
control.observe(id, it.holder, outcome)
return 'released'
end
for i = 2, #words, 3 do reply[#reply + 1] = release(words[i], tonumber(words[i + 1]), words[i + 2]) end
return state.known and state.done(reply) or reply`,
  },
  renew: {
    sha1: '974bf353276546e8ea6f9de1d7fe91276d7024e3',
    uses: ['keys', 'clock', 'renew-fast', 'identify', 'state', 'create', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local holder, outcomes, last, anyHeld, width = ARGV[1], {}, nil, false, ARGV[2] == '-' and 5 or 11
if not state.known and ARGV[2] ~= '-' and ARGV[2] ~= '+' then
state.create(ARGV[2])
state.enter()
end
local function registered(at, record)
local id, session = ARGV[at], ARGV[at + 3]
local isBack = width > 5 and ARGV[at + 5] ~= '-' and session ~= '-'
if record or state.learnUntil == 0 or not isBack or control.has_left(id) then return nil end
control.bring_back(at)
tickets.forget(id)
local group = groups.of(ARGV[at + 5], 0, 1000000000, 0, 0)
return leases.put(id, tonumber(ARGV[at + 1]), holder, group, 0, session, state.now + state.protectMs)
end
local function renew(at)
local id, turn, session = ARGV[at], tonumber(ARGV[at + 2]), ARGV[at + 3]
local it, loss, record = leases.owned(id, holder, tonumber(ARGV[at + 1]), width > 5 and at or nil)
it = it or registered(at, record)
if not it then
local isForgotten = state.learnUntil > 0 and not record and not control.has_left(id)
return isForgotten and { 'forgotten' } or { 'lost', loss }
end
leases.bind(it, session)
if turn > it.turn then
it.turn = turn
leases.unflag(it)
leases.protect(id, math.max(state.now + state.protectMs, leases.ends_of(id)))
if ARGV[at + 4] == '1' or it.fence < state.staleBelow then leases.flag_if_wanted(it) end
end
leases.write(it)
anyHeld = true
return { 'held', math.max(0, leases.ends_of(id) - state.now), it.flag }
end
for at = 3, #ARGV, width do
outcomes[#outcomes + 1] = state.known and renew(at) or { 'forgotten' }
end
if not state.known then return { 'renewed', 0, 0, 0, outcomes, {}, {}, {} } end
for at = 3, #ARGV, width do
local it = leases.read(ARGV[at])
if it and it.loss == 0 and it.holder == holder then last = groups.find(it.group) end
end
local duties = anyHeld and leases.take_duties({}, 2, state.now) or {}
local census = anyHeld and control.take_census('') or {}
return state.done({ 'renewed', leases.pressure(last), leases.renew_after(), state.dutyMs, outcomes, duties, control.in_force(), census })`,
  },
  settle: {
    sha1: '97f340d3522fba1e8280c1b9bd7353e50a7290e6',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `local by, byFence, reply = ARGV[1], tonumber(ARGV[2]), { 'done' }
local function is_proof(it, seen, server)
if it.session == '-' then return seen or state.now >= it.lookAt end
if string.sub(it.session, 1, #server + 1) == server .. '.' then return true end
local looker = leases.read(by)
return looker and looker.loss == 0 and looker.fence == byFence and looker.grantedAt >= it.revokedAt
end
local function vacate(it, itsFence)
if it.loss > 0 or it.fence ~= itsFence or leases.ends_of(it.id) > state.now then return 'unknown' end
leases.revoke(it, 'expired')
return 'kept'
end
local function settle(id, kind, seen, server)
local it = state.known and leases.read(id)
if it and kind == 'vacant' then return vacate(it, tonumber(server)) end
if not it or it.loss == 0 then return 'unknown' end
if kind == 'cannot' then
leases.free_duty(it)
return 'kept'
end
if not is_proof(it, seen, server) then return 'kept' end
leases.remove_revoking(it)
control.bid_farewell(id)
return 'settled'
end
for i = 3, #ARGV, 4 do reply[#reply + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1', ARGV[i + 3]) end
return state.known and state.done(reply) or reply`,
  },
  sweep: {
    sha1: 'aac11df80fef92c3109b31dc5a15dfffb1768fa1',
    uses: ['keys', 'clock', 'load', 'state', 'control', 'groups', 'tickets', 'leases', 'enter'],
    body: `if not state.known then return { 'swept', 0, 0, 0, 0, {}, {} } end
leases.reap(100)
local isElected = ARGV[2] == '-' or control.elect(ARGV[2], tonumber(ARGV[3]))
local duties = isElected and leases.take_duties({}, math.min(tonumber(ARGV[1]), 100), state.now) or {}
local census = isElected and control.take_census('') or {}
return state.done({ isElected and 'swept' or 'refused', state.expired, state.held, state.revoking, state.dutyMs, duties, census })`,
  },
} as const;
