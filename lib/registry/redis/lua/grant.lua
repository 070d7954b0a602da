-- grant: one lease, or a place in the queue, or a refusal; also a waiter's poll.
-- uses: keys clock grant-fast identify state create control groups tickets leases enter admit
-- ARGV: lease id, holder, group, settings, wait (0|1), wait ms ('-': not told), listens (0|1) in one argument with spaces between,
--       for every argument costs its caller more than all the rest; and where one of these is out of the ordinary: again (0|1),
--       order stamp (0 for none), share (min,max,priority, or '-')
-- Replies: granted, fence, protect ms, idle ms, connect after ms, renew after ms, duty ms, probe, pressure, differ, duties, in force, census
--        | fence, negative under pressure: granted, in the settings of the caller, and nothing else to tell
--        | queued, position, stamp, retry after ms, because, in use, capacity, pressure, differ, in force
--        | denied, reason, retry after ms, because, in use, capacity | lost, reason
local waits, again, asked = wait == '1', ARGV[2] == '1', tonumber(ARGV[3] or 0)
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

-- An id that the registry knows, or must not take for new (L3, L5).
local it = leases.read(id)
if it and it.loss > 0 then return state.done({ 'lost', LOSSES[it.loss] }) end
if it and it.holder ~= holder then return state.done({ 'lost', 'unknown' }) end
if it then return granted(it, {}, control.census_of(id)) end
local ticket = tickets.read(id)
if again and not ticket then return state.done({ 'lost', 'unknown' }) end

local group = ticket and groups.find(ticket.group)
  or groups.of(groupName, tonumber(min or 0), tonumber(max or NO_MAX), tonumber(priority or 0), state.capacity - state.headroom)
local upcoming = math.max(state.stamp + 1, (state.now - EPOCH) * STAMPS)
local order = ticket and ticket.stamp or asked > 0 and asked < upcoming and asked or upcoming
local verdict = admit.judge(id, group, order, ticket, waits, waitMs)
local because, forMs, ahead = verdict.because, verdict.forMs, verdict.ahead
if verdict.how then
  local duties = admit.take_over(verdict)
  local lease = admit.hold(id, holder, group, verdict.how == 'probe' and 1 or 0)
  if ticket then tickets.forget(id) end
  return granted(lease, duties, verdict.census)
end

local hint = because and (forMs or POLL) or admit.retry_after(ahead)
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
return state.done({ 'queued', ahead + 1, order, math.min(POLL, hint), because or '-', state.count(), state.capacity,
  leases.pressure(group), differ(group), control.in_force() })
