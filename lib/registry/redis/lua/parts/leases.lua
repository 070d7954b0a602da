-- Leases, held and revoking: the twin of memory-book.ts and memory-dead.ts.
local NOBODY, UNKNOWN_GROUP = '?', 'unknown'
local LOSSES, LOSS = { 'revoked', 'expired', 'abandoned' }, { revoked = 1, expired = 2, abandoned = 3 }
local leases = {}
state.expired = 0

function leases.decode(id, text)
  local it, next = { id = id }, nil
  it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session, next = struct.unpack(LEASE, text)
  if it.loss > 0 then it.revokedAt, it.lookAt, it.endAt = struct.unpack(LEASE_END, text, next) end
  return it
end

function leases.read(id)
  local text = call('HGET', STATE, id)
  return text and leases.decode(id, text) or nil
end

function leases.write(it)
  local text = struct.pack(LEASE, it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session)
  if it.loss > 0 then text = text .. struct.pack(LEASE_END, it.revokedAt, it.lookAt, it.endAt) end
  call('HSET', STATE, it.id, text)
end

function leases.ends_of(id)
  return tonumber(call('ZSCORE', TIMES, id))
end

function leases.protect(id, ends)
  call('ZADD', TIMES, ends, id)
  state.due = math.min(state.due, ends + state.idleMs)
end

-- A fence above all before it (L7).
function leases.next_fence()
  return math.max(state.fence + 1, (state.now - EPOCH) * FENCES)
end

-- Fences tell the time: ms since the last reconnect, if there was one.
function leases.reconnected_ago()
  if state.staleBelow == 0 then return {} end
  return { math.max(0, state.now - EPOCH - math.floor(state.staleBelow / FENCES)) }
end

function leases.put(id, itsFence, holder, group, probe, session, ends)
  local it = { id = id, fence = itsFence, turn = 0, grantedAt = state.now, probe = probe, flag = 0, loss = 0,
    holder = holder, group = group.name, session = session }
  state.fence, state.held = math.max(state.fence, itsFence), state.held + 1
  leases.protect(id, ends)
  groups.change(group, 1, 0)
  return it
end

-- The session of a lease is bound by the first word of it, which also says that the connect went well.
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

-- A lease that a census has found is its holder's again. `at`: where ARGV tells what it brings back.
function leases.take_over(it, holder, at)
  if it.holder ~= NOBODY then return end
  it.holder = holder
  if not at or ARGV[at + 5] == '-' then return end
  control.bring_back(at)
  groups.change(groups.find(it.group), -1, 0)
  local group = groups.of(ARGV[at + 5], 0, NO_MAX, 0, 0)
  groups.change(group, 1, 0)
  it.group = group.name
end

-- The held lease of this holder with this fence, or nil and why not; and the record in any case.
function leases.owned(id, holder, itsFence, at)
  local it = leases.read(id)
  if not it or it.loss > 0 then return nil, it and LOSSES[it.loss] or 'unknown', it end
  if it.fence ~= itsFence then return nil, 'unknown', it end
  leases.take_over(it, holder, at)
  if it.holder ~= holder then return nil, 'unknown', it end
  return it, nil, it
end

-- What can be had without room: free duties, and unprotected leases of groups above their minimum, for anybody; below it only
-- for tickets of the same group, by its name.
function leases.takable(limit)
  local own = nil
  local forAll = state.revoking > 0 and #state.members(REVOKING, state.now, limit) or 0
  if state.held == 0 or forAll >= limit then return forAll, own end
  if state.minima == 0 then return forAll + #state.members(HELD, state.now, limit - forAll), own end
  for _, id in ipairs(state.members(HELD, state.now, VICTIMS)) do
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

-- Should an idle connection be given up? The reasons are with shouldYield in policy.ts.
function leases.should_yield(it, group)
  if state.control == DRAINING or state.flagged < state.debt() then return true end
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

-- The probe found nothing out: the next one waits, twice as long after each such failure.
function leases.probe_failed(before)
  state.probeFailures = before + 1
  state.probeAfter = state.now + math.min(PROBE_MAX, PROBE * 2 ^ math.max(0, state.probeFailures - 1))
end

function leases.remove_held(it)
  leases.unflag(it)
  call('ZREM', TIMES, it.id)
  state.held = state.held - 1
  groups.change(groups.find(it.group), -1, 0)
end

-- The duty has no owner: free as soon as a look would prove something.
function leases.free_duty(it)
  call('ZADD', TIMES, REVOKING + math.max(state.now, it.lookAt), it.id)
end

-- Held becomes revoking: over for its holder, still counted.
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

-- Something is proven gone: progress, so the next probe need not wait.
function leases.remove_revoking(it)
  call('HDEL', STATE, it.id)
  call('ZREM', TIMES, it.id)
  state.revoking, state.probeFailures, state.probeAfter = state.revoking - 1, 0, 0
  if state.revoking == 0 then state.lookMax = 0 end
end

-- What time made due: leases and tickets, and while there is a debt or a drain whatever is not protected.
function leases.reap(limit)
  if state.held > 0 and state.now >= state.due then
    for _, id in ipairs(state.members(HELD, state.now - state.idleMs, limit)) do
      leases.revoke(leases.read(id), 'expired')
      state.expired = state.expired + 1
    end
  end
  if state.now >= state.due then tickets.reap(limit) end
  local surplus = state.control == DRAINING and state.held or math.max(state.debt() - state.revoking,
    state.waiting > 0 and state.held - (state.capped() - state.headroom) or 0)
  surplus = math.min(limit, surplus)
  if surplus <= 0 then return end
  for _, id in ipairs(state.members(HELD, state.now, surplus)) do leases.revoke(leases.read(id), 'revoked') end
end

-- Gives the duty an owner: it is free again dutyMs after the look may start.
function leases.duty_of(it)
  local wait = math.max(0, it.lookAt - state.now)
  call('ZADD', TIMES, REVOKING + state.now + wait + state.dutyMs, it.id)
  return { it.id, it.fence, it.session, wait }
end

function leases.take_duties(duties, limit, upTo)
  if state.revoking == 0 or #duties >= limit then return duties end
  for _, id in ipairs(state.members(REVOKING, upTo, limit - #duties)) do
    duties[#duties + 1] = leases.duty_of(leases.read(id))
  end
  return duties
end

-- Somebody waits, or the next newcomer of this group would have to.
function leases.pressure(group)
  local free = state.room()
  local isAtMax = group and group.taken >= group.max and group.waiting > 0
  return (state.eligible > math.max(0, free) or isAtMax or free <= 0 or state.control == DRAINING) and 1 or 0
end

function leases.renew_after()
  local longest = math.floor(state.protectMs / 3)
  if state.waiting == 0 then return longest end
  return math.min(longest, math.max(math.floor(state.protectMs / 20), math.ceil(state.held * 1000 / RENEWALS)))
end
