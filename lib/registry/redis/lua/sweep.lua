-- sweep: reaps up to a page and takes over free duties and the census, for the sweeper.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: how many duties
-- Reply: swept, expired, held, revoking, duty ms, duties, census
if not state.known then return { 'swept', 0, 0, 0, 0, {}, {} } end
leases.reap(PAGE)
local duties = leases.take_duties({}, math.min(tonumber(ARGV[1]), PAGE), state.now)
local census = control.take_census('')
return state.done({ 'swept', state.expired, state.held, state.revoking, state.dutyMs, duties, census })
