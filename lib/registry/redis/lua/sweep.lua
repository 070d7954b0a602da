-- sweep: reaps up to a page and takes over free duties and the census, for the sweeper.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: how many duties, who is to be elected ('-': nobody), for how many ms
-- Reply: swept | refused (another one is elected), expired, held, revoking, duty ms, duties, census
if not state.known then return { 'swept', 0, 0, 0, 0, {}, {} } end
leases.reap(PAGE)
local isElected = ARGV[2] == '-' or control.elect(ARGV[2], tonumber(ARGV[3]))
local duties = isElected and leases.take_duties({}, math.min(tonumber(ARGV[1]), PAGE), state.now) or {}
local census = isElected and control.take_census('') or {}
return state.done({ isElected and 'swept' or 'refused', state.expired, state.held, state.revoking, state.dutyMs, duties, census })
