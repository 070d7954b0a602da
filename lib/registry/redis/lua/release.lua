-- release: gives leases back whose connection was never started, was refused, or was seen to end; cancels a ticket.
-- ARGV: holder, then for each lease: id, fence (0: never told), outcome
-- Reply: done, released | unknown ...
local known, upgrade = enter()
if upgrade then return upgrade end
local holder, reply = ARGV[1], { 'done' }

local function release(id, fence, outcome)
  if not known then return 'unknown' end
  if forget_ticket(id) then return 'released' end
  local it = read(id)
  if not it or it.holder ~= holder or (it.fence ~= fence and fence ~= '0') then return 'unknown' end
  local failuresBefore = state.probeFailures
  remove(id, it)
  if it.probe == '1' and outcome == 'refused' then probe_failed(failuresBefore) end
  return 'released'
end

for i = 2, #ARGV, 3 do reply[#reply + 1] = release(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return known and done(reply) or reply
