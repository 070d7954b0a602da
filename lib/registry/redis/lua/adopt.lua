-- adopt: tells what a census has found; what the registry does not know becomes a held lease of nobody's.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: epoch, token, last (0|1), sessions without a label, then for each session: id, fence, session
-- Reply: done, adopted | refused
if not known then return { 'done', 'refused' } end
if tonumber(ARGV[1]) ~= epoch or learnUntil > 0 and tonumber(ARGV[2]) ~= censusToken then return done({ 'done', 'refused' }) end
for i = 5, #ARGV, 3 do
  local id = ARGV[i]
  if not read(id) and not has_left(id) then
    local group = group_of(UNKNOWN_GROUP, 0, NO_MAX, 0, 0)
    write(put(id, tonumber(ARGV[i + 1]), NOBODY, group, 0, ARGV[i + 2], now + protectMs))
  end
end
if ARGV[3] == '1' then
  foreign = tonumber(ARGV[4])
  end_learning()
end
return done({ 'done', 'adopted' })
