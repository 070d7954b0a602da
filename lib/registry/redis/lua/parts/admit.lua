-- The decision to grant; its reasons are with decideAdmission and claimsAhead in policy.ts.

-- Tickets with a better claim than a caller with this stamp (laws L9, L10).
local function claims_ahead(own, older, than)
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

-- The longest unprotected lease that shares allow to revoke for this group (law L10).
local function victim_for(own)
  if held == 0 then return nil end
  local ids = call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, VICTIMS)
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

-- May the one grant beyond the count be made (step 4b)? A page of entries is looked at.
local function may_probe()
  if held > 0 or revoking == 0 or now < probeAfter or now < lookMax then return false end
  for _, id in ipairs(call('ZRANGE', REVOKING, 0, PAGE - 1)) do
    if now >= read(id).endAt then return true end
  end
  return false
end

-- How a lease may be granted: room, takeover, revoke and its victim, probe; or none.
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

-- Ms that a connect granted now is put off, so that the database's connect rate holds.
local function connect_after()
  if perSecond == 0 then return 0 end
  local interval = 1000 / perSecond
  return math.max(0, math.ceil(tat + interval - burst * interval - now))
end

-- A new lease, protected from the moment its connect may start.
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

-- The first score above now in a sorted set, after `skip` others; infinite if there is none.
local function next_after(key, skip)
  local found = call('ZRANGEBYSCORE', key, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', skip, 1)[2]
  return found and tonumber(found) or math.huge
end

-- The earliest moment at which something known can change for a caller with `ahead` others before it.
local function retry_after(ahead)
  if ahead >= HINTS then return POLL end
  return math.min(POLL, next_after(HELD, ahead) - now, next_after(REVOKING, ahead) - now)
end
