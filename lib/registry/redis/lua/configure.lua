-- configure: writes the settings of an unknown resource, or tells those in force; ends learning where the operator says so.
-- ARGV: settings, isNew (0|1)
-- Reply: created | exists, settings, learning ms
local known, upgrade = enter()
if upgrade then return upgrade end
if not known then create(ARGV[1]) end
raise_bound(ARGV[1])
if ARGV[2] == '1' then state.learnUntil = now end
return done({ known and 'exists' or 'created', spec, math.max(0, state.learnUntil - now) })
