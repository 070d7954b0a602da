-- sweep: reaps up to a page and takes over free duties and the census, for the sweeper.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: how many duties
-- Reply: swept, expired, held, revoking, duty ms, duties, census
if not known then return { 'swept', 0, 0, 0, 0, {}, {} } end
reap(PAGE)
local duties = take_duties({}, math.min(tonumber(ARGV[1]), PAGE), now)
local census = take_census('')
return done({ 'swept', expired, held, revoking, dutyMs, duties, census })
