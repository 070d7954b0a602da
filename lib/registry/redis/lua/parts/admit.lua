-- The decision to grant; its reasons are with decideAdmission and claimsAhead in policy.ts.

local admit = {}

-- Tickets with a better claim than a caller with this stamp (laws L9, L10).
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

-- The longest unprotected lease that shares allow to revoke for this group (law L10).
function admit.victim_for(own)
  if state.held == 0 then return nil end
  local ids = state.members(HELD, state.now, VICTIMS)
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

-- May the one grant beyond the count be made (step 4b)? A page of entries is looked at.
function admit.may_probe()
  if state.held > 0 or state.revoking == 0 or state.now < state.probeAfter or state.now < state.lookMax then return false end
  for _, id in ipairs(state.members(REVOKING, FOREVER, PAGE)) do
    if state.now >= leases.read(id).endAt then return true end
  end
  return false
end

-- How a lease may be granted: room, takeover, revoke and its victim, probe; or not.
function admit.decide(own, older, ahead, ticket)
  local free, isWithin = state.room(), own.taken + older < own.max
  -- Its slot is counted; an overlap that somebody else makes meanwhile has its own place.
  if ticket and tickets.has_claim(ticket.id) and state.count() + state.claims <= state.capped() then return 'room' end
  if free > 0 and isWithin and ahead < (ticket and free + state.capacity or free) then return 'room' end
  -- One overlap for each ticket ahead, and one more: a crowd that polls would else hand over one lease at a time.
  local places = state.capped() - state.count() - state.claims
  if places > 0 and ahead < (ticket and places or 1) then
    if isWithin and state.revoking > 0 and #state.members(REVOKING, state.now, 1) > 0 then return 'takeover' end
    local victim = admit.victim_for(own)
    if victim then return 'revoke', victim end
  end
  if ahead > 0 then return nil end
  return isWithin and admit.may_probe() and 'probe' or nil
end

-- A newcomer makes the census only where no holder does, one at a time, within its group's maximum.
function admit.census_for(id, own, wait)
  local isTurn = state.held == 0 or state.now >= state.quietUntil + math.floor(state.protectMs / 2)
  if not wait or not isTurn or own.taken >= own.max or state.count() >= state.capped() or control.is_census_out() then return {} end
  return control.take_census(id)
end

-- How the caller's lease may be granted; or else what forbids it, and for how long if that is known.
function admit.judge(id, group, order, ticket, wait, waitMs)
  local older = groups.older_in(group, order)
  local it = { ahead = admit.claims_ahead(group, older, order), census = {} }
  it.because, it.forMs = control.ban()
  if it.because then
    it.census = admit.census_for(id, group, wait)
    it.how = it.census[1] and 'census' or nil
    return it
  end
  -- Who gives up before would give the lease back unused, and the rate would be spent on nothing.
  local after = state.connected_after()
  if after > (waitMs or after) then
    it.because, it.forMs = 'RATE', after
    return it
  end
  it.how, it.victim = admit.decide(group, older, it.ahead, ticket)
  local tooFar = state.connect_after() - CONNECT_AFTER_MAX
  if it.how and tooFar > 0 then it.how, it.because, it.forMs = nil, 'RATE', tooFar end
  -- The connects that may still start are for those who wait already.
  if it.how and not ticket and it.ahead + state.claims >= state.starts_left() then it.how, it.because = nil, 'RATE' end
  return it
end

-- The duties that ride on a grant, that of the lease it was granted over among them.
function admit.take_over(verdict)
  local duties = {}
  if verdict.how == 'census' then return duties end
  if verdict.how == 'revoke' then
    leases.revoke(verdict.victim, 'revoked')
    duties[1] = leases.duty_of(verdict.victim)
  end
  if verdict.how == 'probe' then return leases.take_duties(duties, PAGE, FOREVER) end
  return leases.take_duties(duties, DUTIES, state.now)
end

-- A new lease, protected from the moment its connect may start.
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

-- The earliest moment at which something known can change for a caller with `ahead` others before it.
function admit.retry_after(ahead)
  if ahead >= HINTS then return POLL end
  local now = state.now
  return math.min(POLL, state.time_after(HELD, now, ahead) - now, state.time_after(REVOKING, now, ahead) - now)
end
