-- sweep: reaps up to a page and takes over free duties, for the sweeper.
-- ARGV: how many duties
-- Reply: swept, expired, held, revoking, duty ms, duties
local known, upgrade = enter()
if upgrade then return upgrade end
if not known then return { 'swept', 0, 0, 0, 0, {} } end
reap(PAGE)
local duties = take_duties({}, math.min(tonumber(ARGV[1]), PAGE), now)
return done({ 'swept', expired, state.held, state.revoking, dutyMs, duties })
