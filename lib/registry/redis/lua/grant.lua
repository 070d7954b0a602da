-- grant: one lease, or a place in the queue, or a refusal; also a waiter's poll.
-- ARGV: lease id, again (0|1), order stamp (0 for none), holder, group, wait (0|1), settings
-- Replies: granted, fence, protect ms, idle ms, connect after ms, renew after ms, duty ms, probe, pressure, differ, duties
--        | queued, position, stamp, retry after ms, pressure, differ | denied, reason, retry after ms | lost, reason
local id, again, asked, holder, group, wait = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6] == '1'
local known, upgrade = enter()
if upgrade then return upgrade end
if not known then create(ARGV[7]) end
local differ = ARGV[7] ~= spec and 1 or 0
if differ == 1 then raise_bound(ARGV[7]) end

local function granted(it, duties)
  local protect = math.max(0, tonumber(redis.call('ZSCORE', HELD, id)) - now)
  return done({ 'granted', tonumber(it.fence), protect, idleMs, 0, renew_after(), dutyMs, tonumber(it.probe), pressure(), differ, duties })
end

local it = read(id)
if it and it.isRevoking then return done({ 'lost', it.reason }) end
if it and it.holder ~= holder then return done({ 'lost', 'unknown' }) end
if it then return granted(it, {}) end
local ticket = waiters > 0 and tonumber(redis.call('ZSCORE', QUEUE, id) or nil) or nil
if again and not ticket then return done({ 'lost', 'unknown' }) end
if now < state.learnUntil then return done({ 'denied', 'LEARNING', state.learnUntil - now }) end

local upcoming = math.max(state.stamp + 1, (now - EPOCH) * STAMPS)
local stamp = ticket or (asked > 0 and asked < upcoming and asked or upcoming)
local ahead = ticket and redis.call('ZRANK', QUEUE, id) or waiters > 0 and redis.call('ZCOUNT', QUEUE, '-inf', '(' .. whole(stamp)) or 0

-- The decision; its reasons are with decideAdmission in policy.ts.
local room = capacity - headroom - count()
local how, duties, limit, due = 'none', {}, DUTIES, now
if room > 0 and ahead < (ticket and room + capacity or 1) then
  how = 'room'
elseif ahead == 0 then
  local free = state.revoking > 0 and redis.call('ZRANGEBYSCORE', REVOKING, '-inf', now, 'LIMIT', 0, 1)[1]
  local victim = state.held > 0 and redis.call('ZRANGEBYSCORE', HELD, '-inf', now, 'LIMIT', 0, 1)[1]
  if count() < capacity and free then
    how = 'takeover'
  elseif count() < capacity and victim then
    how = 'revoke'
    local loser = read(victim)
    revoke(victim, loser, 'revoked')
    duties[1] = duty_of(victim, loser)
  elseif may_probe() then
    how, limit, due = 'probe', PAGE, '+inf'
  end
end

if how ~= 'none' then
  take_duties(duties, limit, due)
  if ticket then forget_ticket(id) end
  return granted(hold(id, holder, group, how == 'probe'), duties)
end

local retry = retry_after(ahead)
if not ticket then
  if not wait then return done({ 'denied', 'FULL', retry }) end
  if waiters >= waitersMax then return done({ 'denied', 'QUEUE_FULL', retry }) end
  state.stamp = math.max(state.stamp, stamp)
  -- Left behind by a queue that was evicted.
  if waiters == 0 then redis.call('DEL', ALIVE) end
  redis.call('ZADD', QUEUE, stamp, id)
  waiters = waiters + 1
end
redis.call('ZADD', ALIVE, now + livenessMs, id)
return done({ 'queued', ahead + 1, stamp, retry, pressure(), differ })
