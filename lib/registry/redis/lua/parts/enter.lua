-- The first step of every transition and the last: time advances (L17), what it made due is done (L16), half a memory is none
-- (L15); and in the end whoever can be served is served, and what has changed is stored.
local isDue = false

local function enter()
  now, clockAt = now + math.max(0, at - clockAt), at
  isDue = now >= due
  if not hasTickets then lose_tickets() end
  end_by_time()
  reap(REAP)
  serve()
  drop_empty()
end

local function first_score(key, shift)
  local found = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  return found and tonumber(found) + shift or math.huge
end

-- The earliest moment at which time alone can change anything.
local function next_due()
  local ends = math.min(first_score(HELD, idleMs), first_score(ALIVE, 0))
  if claims > 0 then ends = math.min(ends, first_score(QUEUE, CLAIMED)) end
  return ends
end

local function is_calm()
  return waiting + claims + revoking + learnUntil + control + version + staleBelow + openings + failures + trials + perSecond == 0
end

-- Serves, stores and answers.
local function done(reply)
  serve()
  drop_empty()
  if isDue or due == 0 then due = next_due() end
  space, calm = capped() - headroom, is_calm() and 1 or 0
  local fields = { 'HSET', STATE, ' pulse', struct.pack(PULSE, due, now, clockAt, fence, held) }
  local rest = struct.pack(REST, calm, space, revoking, waiting, claims, capacity, headroom, protectMs, idleMs, connectBoundMs,
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

if known then enter() end
