-- configure: writes the settings of an unknown resource, or tells those in force; ends learning where the operator says so.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: settings, isNew (0|1)
-- Reply: created | exists, settings, learning ms
local wasKnown = known
if not known then
  create(ARGV[1])
  enter()
end
raise_bound(ARGV[1])
if ARGV[2] == '1' then end_learning() end
return done({ wasKnown and 'exists' or 'created', spec, math.max(0, learnUntil - now) })
