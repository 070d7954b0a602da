-- The state: every number by its name. `known` is false where the registry has no memory of the resource.
local state = {}
if loaded[1] and tonumber(loaded[1]) > SCHEMA then return { 'upgrade', tonumber(loaded[1]) } end
state.known = loaded[1] == LAYOUT

function state.forget()
  call('DEL', STATE, TIMES)
end

-- Half a memory is no memory (L15): what the counters say must be there.
local cold = state.known and call('HMGET', STATE, ' rest', ' spec') or {}
if state.known then
  local _, _, _, _, held = struct.unpack(PULSE, loaded[2])
  local revoking, waiting, claims = struct.unpack('<ddd', cold[1])
  state.known = call('ZCARD', TIMES) == held + revoking + 2 * (waiting + claims)
end
if loaded[1] and not state.known then
  state.forget()
  loaded, cold = {}, {}
end
state.spec = cold[2]
state.due, state.now, state.clockAt, state.fence, state.held, state.groupCount = struct.unpack(PULSE, loaded[2] or string.rep('\0', 48))
state.calm, state.space, state.protectMs, state.idleMs, state.dutyMs = struct.unpack(CALM, loaded[3] or string.rep('\0', 40))
state.revoking, state.waiting, state.claims,
  state.capacity, state.headroom, state.connectBoundMs, state.quantumMs, state.livenessMs, state.waitersMax, state.claimMs,
  state.perSecond, state.burst, state.flagged, state.eligible, state.minima,
  state.stamp, state.lookMax, state.probeAfter, state.probeFailures,
  state.epoch, state.learnUntil, state.quietUntil, state.censusUntil, state.censusToken, state.farewells,
  state.version, state.control, state.pausedUntil, state.foreign, state.staleBelow, state.tat,
  state.openings, state.openUntil, state.isAuth, state.failures, state.trials = struct.unpack(REST, cold[1] or string.rep('\0', 288))
local OPEN, PAUSED, DRAINING = 0, 1, 2
local CONTROLS = { [0] = 'open', 'paused', 'draining' }

local function whole(value)
  return string.format('%.0f', value)
end

-- Up to `limit` members of a band, in order, whose time has come by `upTo`.
function state.members(band, upTo, limit)
  return call('ZRANGEBYSCORE', TIMES, band, band + upTo, 'LIMIT', 0, limit)
end

-- The time of the member `skip` places after the first one later than `than`; infinite if there is none.
function state.time_after(band, than, skip)
  local found = call('ZRANGEBYSCORE', TIMES, '(' .. whole(band + than), band + FOREVER, 'WITHSCORES', 'LIMIT', skip, 1)[2]
  return found and tonumber(found) - band or math.huge
end

function state.read_settings(text)
  state.spec = text
  local values = {}
  for value in string.gmatch(text, '%d+') do values[#values + 1] = tonumber(value) end
  state.capacity, state.headroom, state.protectMs, state.idleMs, state.connectBoundMs, state.quantumMs, state.dutyMs, state.livenessMs, state.waitersMax, state.claimMs, state.perSecond, state.burst =
    unpack(values)
  call('HSET', STATE, ' spec', text)
  -- What is due is another moment now.
  state.due = 0
end

-- A holder with a slower connect raises the bound for all, also for a learning that is under way; every other difference
-- is only reported.
function state.raise_bound(bound)
  local more = bound - state.connectBoundMs
  if more <= 0 then return end
  state.read_settings((string.gsub(state.spec, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. whole(bound))))
  if state.learnUntil > 0 then state.learnUntil, state.quietUntil = state.learnUntil + more, state.quietUntil + more end
end

function state.bound_in(text)
  return tonumber(string.match(text, '^%d+,%d+,%d+,%d+,(%d+)'))
end

-- An operator's settings come back; the connect bound may only rise.
function state.apply_in_force(text)
  local own = whole(state.connectBoundMs)
  state.read_settings((string.gsub(text, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. own)))
  state.raise_bound(state.bound_in(text))
end

-- Until it is known what is open.
function state.learn()
  state.epoch = state.now
  state.learnUntil = state.now + state.protectMs + state.idleMs + state.connectBoundMs
  local connect = CONNECT_START + state.connectBoundMs + (state.perSecond > 0 and CONNECT_AFTER_MAX or 0)
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

-- Ms that a connect granted now is put off, so that the database's connect rate holds.
function state.connect_after()
  if state.perSecond == 0 then return 0 end
  local interval = 1000 / state.perSecond
  return math.max(0, math.ceil(state.tat + interval - state.burst * interval - state.now))
end

-- Ms until it can have made a connection, if it is put off.
function state.connected_after()
  local after = state.connect_after()
  return after > 0 and after + CONNECT or 0
end

-- Connects that may still be granted now, without one that is put off for too long.
function state.starts_left()
  if state.perSecond == 0 then return math.huge end
  local free = CONNECT_AFTER_MAX - math.max(0, state.tat - state.now)
  return math.max(0, math.floor(free * state.perSecond / 1000) + state.burst)
end
