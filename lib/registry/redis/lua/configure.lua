-- configure: writes the settings of an unknown resource, or tells those in force; ends learning where the operator says so.
-- uses: keys clock load identify state create control groups tickets leases enter
-- ARGV: settings, isNew (0|1)
-- Reply: created | exists, settings, learning ms
local wasKnown = state.known
if not state.known then
  state.create(ARGV[1])
  state.enter()
end
state.raise_bound(state.bound_in(ARGV[1]))
if ARGV[2] == '1' then control.end_learning() end
return state.done({ wasKnown and 'exists' or 'created', state.spec, math.max(0, state.learnUntil - state.now) })
