-- Leases, held and revoking: the twin of memory-book.ts and memory-dead.ts.
local NOBODY, UNKNOWN_GROUP = '?', 'unknown'
local LOSSES, LOSS = { 'revoked', 'expired', 'abandoned' }, { revoked = 1, expired = 2, abandoned = 3 }
local expired = 0

local function decode(id, text)
  local it, next = { id = id }, nil
  it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session, next = struct.unpack(LEASE, text)
  if it.loss > 0 then it.revokedAt, it.lookAt, it.endAt = struct.unpack(LEASE_END, text, next) end
  return it
end

local function read(id)
  local text = call('HGET', STATE, id)
  return text and decode(id, text) or nil
end

local function write(it)
  local text = struct.pack(LEASE, it.fence, it.turn, it.grantedAt, it.probe, it.flag, it.loss, it.holder, it.group, it.session)
  if it.loss > 0 then text = text .. struct.pack(LEASE_END, it.revokedAt, it.lookAt, it.endAt) end
  call('HSET', STATE, it.id, text)
end

-- The held lease of this holder with this fence, or nil and why not; and the record in any case.
local function owned(id, holder, fence)
  local it = read(id)
  if not it or it.loss > 0 then return nil, it and LOSSES[it.loss] or 'unknown', it end
  if it.fence ~= fence or (it.holder ~= holder and it.holder ~= NOBODY) then return nil, 'unknown', it end
  return it
end

local function ends_of(id)
  return tonumber(call('ZSCORE', HELD, id))
end

local function protect(id, ends)
  call('ZADD', HELD, ends, id)
  due = math.min(due, ends + idleMs)
end

-- A fence above all before it (L7).
local function next_fence()
  return math.max(fence + 1, (now - EPOCH) * FENCES)
end

local function put(id, itsFence, holder, group, probe, session, ends)
  local it = { id = id, fence = itsFence, turn = 0, grantedAt = now, probe = probe, flag = 0, loss = 0,
    holder = holder, group = group.name, session = session }
  fence, held = math.max(fence, itsFence), held + 1
  protect(id, ends)
  change(group, 1, 0, 0)
  return it
end

-- The session of a lease is bound by the first word of it, which also says that the connect went well.
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

-- Should an idle connection be given up? The reasons are with shouldYield in policy.ts.
local function should_yield(it, group)
  if control == DRAINING or flagged < count() - capped() then return true end
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

-- The probe found nothing out: the next one waits, twice as long after each such failure.
local function probe_failed(before)
  probeFailures = before + 1
  probeAfter = now + math.min(PROBE_MAX, PROBE * 2 ^ math.max(0, probeFailures - 1))
end

local function remove_held(it)
  unflag(it)
  call('ZREM', HELD, it.id)
  held = held - 1
  change(find_group(it.group), -1, 0, 0)
end

-- Held becomes revoking: over for its holder, still counted.
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

-- Something is proven gone: progress, so the next probe need not wait.
local function remove_revoking(it)
  call('HDEL', STATE, it.id)
  call('ZREM', REVOKING, it.id)
  revoking, probeFailures, probeAfter = revoking - 1, 0, 0
  if revoking == 0 then lookMax = 0 end
end

-- What time made due: leases and tickets, and while there is a debt or a drain whatever is not protected.
local function reap(limit)
  if held > 0 and now >= due then
    for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', now - idleMs, 'LIMIT', 0, limit)) do
      revoke(read(id), 'expired')
      expired = expired + 1
    end
  end
  if now >= due then reap_tickets(limit) end
  local surplus = math.min(limit, control == DRAINING and held or debt() - revoking)
  if surplus <= 0 then return end
  for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, surplus)) do revoke(read(id), 'revoked') end
end

-- Gives the duty an owner: it is free again dutyMs after the look may start.
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

-- Somebody waits, or the next newcomer of this group would have to.
local function pressure(group)
  local free = room()
  local isAtMax = group and group.taken >= group.max and group.waiting > 0
  return (eligible > math.max(0, free) or isAtMax or free <= 0 or control == DRAINING) and 1 or 0
end

local function renew_after()
  local longest = math.floor(protectMs / 3)
  if waiting == 0 then return longest end
  return math.min(longest, math.max(math.floor(protectMs / 20), math.ceil(held * 1000 / RENEWALS)))
end
