-- The state as locals: every number by its name. `known` is false where the registry has no memory of the resource.
if loaded[1] and tonumber(loaded[1]) > SCHEMA then return { 'upgrade', tonumber(loaded[1]) } end
local known, hasTickets = loaded[1] == '2', true

-- Half a memory is no memory (L15): what the counters say must be there. Half of the tickets is none.
if known then
  local _, _, _, _, heldThere = struct.unpack(PULSE, loaded[2])
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
local due, now, clockAt, fence, held = struct.unpack(PULSE, loaded[2] or string.rep('\0', 40))
local calm, space, revoking, waiting, claims,
  capacity, headroom, protectMs, idleMs, connectBoundMs, quantumMs, dutyMs, livenessMs, waitersMax, claimMs, perSecond, burst,
  flagged, eligible, minima, groupCount,
  stamp, lookMax, probeAfter, probeFailures,
  epoch, learnUntil, quietUntil, censusUntil, censusToken, farewells,
  version, control, pausedUntil, foreign, staleBelow, tat,
  openings, openUntil, isAuth, failures, trials = struct.unpack(REST, loaded[3] or string.rep('\0', 336))
local OPEN, PAUSED, DRAINING = 0, 1, 2
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
  -- What is due is another moment now.
  due = 0
end

-- A holder with a slower connect raises the bound for all, also for a learning that is under way; every other difference
-- is only reported.
local function raise_bound(text)
  local bound = string.match(text, '^%d+,%d+,%d+,%d+,(%d+)')
  local more = bound - connectBoundMs
  if more <= 0 then return end
  read_settings((string.gsub(spec, '^(%d+,%d+,%d+,%d+,)%d+', '%1' .. bound)))
  if learnUntil > 0 then learnUntil, quietUntil = learnUntil + more, quietUntil + more end
end

-- A resource without memory.
local function create(text)
  known, now, clockAt, epoch = true, at, at, at
  call('HSET', STATE, 'schema', SCHEMA)
  read_settings(text)
  learnUntil = now + protectMs + idleMs + connectBoundMs
  quietUntil = now + math.max(connectBoundMs + (perSecond > 0 and CONNECT_AFTER_MAX or 0), dutyMs)
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
end
