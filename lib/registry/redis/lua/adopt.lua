-- adopt: tells what a census has found; what the registry does not know becomes a held lease of nobody's.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: epoch, token, last (0|1), sessions without a label, then for each session: id, fence, session
-- Reply: done, adopted | refused
if not state.known then return { 'done', 'refused' } end
-- While learning only the census that was given out last counts.
local isLast = tonumber(ARGV[2]) > 0 and tonumber(ARGV[2]) == state.censusToken
if tonumber(ARGV[1]) ~= state.epoch or state.learnUntil > 0 and not isLast then return state.done({ 'done', 'refused' }) end
for i = 5, #ARGV, 3 do
  local id = ARGV[i]
  if not leases.read(id) and not control.has_left(id) then
    tickets.forget(id)
    local group = groups.of(UNKNOWN_GROUP, 0, NO_MAX, 0, 0)
    leases.write(leases.put(id, tonumber(ARGV[i + 1]), NOBODY, group, 0, ARGV[i + 2], state.now + state.protectMs))
  end
end
if ARGV[3] == '1' then
  state.foreign = tonumber(ARGV[4])
  control.end_learning()
end
return state.done({ 'done', 'adopted' })
