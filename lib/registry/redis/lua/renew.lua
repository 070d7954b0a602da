-- renew: prolongs the protection of a holder's leases whose connections are open; free duties ride on the reply.
-- ARGV: holder, then for each lease: id, fence, turn, session ('-' for none), idle (0|1)
-- Reply: renewed, pressure, renew after ms, duty ms, { held, protect ms, yield | lost, reason } ..., duties
local known, upgrade = enter()
if upgrade then return upgrade end
local holder, outcomes, anyHeld = ARGV[1], {}, false
for i = 2, #ARGV, 5 do
  local id, fence, turn, session, idle = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4] == '1'
  local it, loss
  if known then it, loss = owned(id, holder, fence) end
  if it then
    anyHeld = true
    local isBinding, isNew = bind(it, session), tonumber(turn) > tonumber(it.turn)
    if isNew then
      it.turn = turn
      unflag(it)
      redis.call('ZADD', HELD, now + protectMs, id)
      if idle then flag_if_wanted(it) end
    end
    if isNew or isBinding then write(id, it) end
    local protect = math.max(0, tonumber(redis.call('ZSCORE', HELD, id)) - now)
    outcomes[#outcomes + 1] = { 'held', protect, tonumber(it.flag) }
  else
    outcomes[#outcomes + 1] = { 'lost', loss or 'unknown' }
  end
end
if not known then return { 'renewed', 0, 0, 0, outcomes, {} } end
local duties = anyHeld and take_duties({}, DUTIES, now) or {}
return done({ 'renewed', pressure(), renew_after(), dutyMs, outcomes, duties })
