-- The first step of every transition and the last: time advances (L17), what it made due is done (L16), half a memory is none
-- (L15); and in the end whoever can be served is served, and what has changed is stored.
function state.enter()
  state.now, state.clockAt = state.now + math.max(0, at - state.clockAt), at
  state.isDue = state.now >= state.due
  control.end_by_time()
  leases.reap(REAP)
  tickets.serve()
end

-- The earliest moment at which time alone can change anything.
function state.next_due()
  local ends = state.time_after(HELD, 0, 0) + state.idleMs
  if state.waiting + state.claims > 0 then ends = math.min(ends, state.time_after(ALIVE, 0, 0)) end
  if state.claims > 0 then ends = math.min(ends, state.time_after(CLAIMED, 0, 0)) end
  return ends
end

function state.is_calm()
  return state.waiting + state.claims + state.revoking + state.learnUntil + state.control + state.version + state.staleBelow + state.openings + state.failures + state.trials + state.perSecond == 0
end

-- Serves, stores and answers.
function state.done(reply)
  tickets.serve()
  local places = tickets.places_to_tell()
  if places > 0 then tickets.summon(places, leases.takable(places)) end
  groups.drop_empty()
  if state.isDue or state.due == 0 then state.due = state.next_due() end
  state.space, state.calm = state.capped() - state.headroom, state.is_calm() and 1 or 0
  local fields = { 'HSET', STATE, ' pulse', struct.pack(PULSE, state.due, state.now, state.clockAt, state.fence, state.held, state.groupCount) }
  local calm = struct.pack(CALM, state.calm, state.space, state.protectMs, state.idleMs, state.dutyMs)
  if calm ~= loaded[3] then
    fields[#fields + 1], fields[#fields + 2] = ' calm', calm
  end
  local rest = struct.pack(REST, state.revoking, state.waiting, state.claims,
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

if state.known then state.enter() end
