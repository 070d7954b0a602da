-- park: ends the protection of a holder's leases now; they stay with their holder until somebody needs them.
-- ARGV: holder, then for each lease: id, fence, turn, session ('-' for none)
-- Reply: parked, pressure, { parked | yield | held, protect ms | lost, reason } ...
local known, upgrade = enter()
if upgrade then return upgrade end
local holder, outcomes = ARGV[1], {}
for i = 2, #ARGV, 4 do
  local id, fence, turn, session = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local it, loss
  if known then it, loss = owned(id, holder, fence) end
  if it then
    local ends = tonumber(redis.call('ZSCORE', HELD, id))
    local isBinding, isNew = bind(it, session), tonumber(turn) > tonumber(it.turn)
    if isNew then
      it.turn = turn
      ends = math.min(now, ends)
      redis.call('ZADD', HELD, ends, id)
      flag_if_wanted(it)
    end
    if isNew or isBinding then write(id, it) end
    if ends > now then
      outcomes[#outcomes + 1] = { 'held', ends - now }
    else
      outcomes[#outcomes + 1] = { it.flag == '1' and 'yield' or 'parked' }
    end
  else
    outcomes[#outcomes + 1] = { 'lost', loss or 'unknown' }
  end
end
if not known then return { 'parked', 0, outcomes } end
return done({ 'parked', pressure(), outcomes })
