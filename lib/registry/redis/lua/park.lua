-- park: ends the protection of a holder's leases now; they stay with their holder until somebody needs them.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: holder, then for each lease: id, fence, turn, session ('-' for none)
-- Reply: parked, pressure, { parked | yield | held, protect ms | lost, reason } ..., in force
local holder, outcomes, last = ARGV[1], {}, nil

local function park(id, itsFence, turn, session)
  local it, loss, record = owned(id, holder, itsFence)
  if record and record.loss == 0 and record.holder == holder then last = record.group end
  if not it then return { 'lost', loss } end
  local ends = ends_of(id)
  bind(it, session)
  if turn > it.turn then
    it.turn, ends = turn, math.min(now, ends)
    protect(id, ends)
    flag_if_wanted(it)
  end
  write(it)
  if ends > now then return { 'held', ends - now } end
  return { it.flag == 1 and 'yield' or 'parked' }
end

for i = 2, #ARGV, 4 do
  outcomes[#outcomes + 1] = known and park(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]) or { 'lost', 'unknown' }
end
if not known then return { 'parked', 0, outcomes, {} } end
return done({ 'parked', pressure(last and find_group(last)), outcomes, in_force() })
