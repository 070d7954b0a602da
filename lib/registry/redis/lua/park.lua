-- park: ends the protection of a holder's leases now; they stay with their holder until somebody needs them.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: holder, then for each lease: id, fence, turn, session ('-' for none)
-- Reply: parked, pressure, { parked | yield | held, protect ms | lost, reason } ..., in force
local holder, outcomes, last = ARGV[1], {}, nil

local function park(id, itsFence, turn, session)
  local it, loss, record = leases.owned(id, holder, itsFence)
  if record and record.loss == 0 and record.holder == holder then last = record.group end
  if not it then return { 'lost', loss } end
  local ends = leases.ends_of(id)
  leases.bind(it, session)
  if turn > it.turn then
    it.turn, ends = turn, math.min(state.now, ends)
    leases.protect(id, ends)
    leases.flag_if_wanted(it)
  end
  leases.write(it)
  if ends > state.now then return { 'held', ends - state.now } end
  return { it.flag == 1 and 'yield' or 'parked' }
end

for i = 2, #ARGV, 4 do
  outcomes[#outcomes + 1] = state.known and park(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]) or { 'lost', 'unknown' }
end
if not state.known then return { 'parked', 0, outcomes, {} } end
return state.done({ 'parked', leases.pressure(last and groups.find(last)), outcomes, control.in_force() })
