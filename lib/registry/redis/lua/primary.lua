-- primary: compares who answers with who answered last. Another primary may never have heard of the last steps of the one
-- before: the resource learns what is open. What operators have said, and what must only rise, stays.
-- uses: keys clock identify compare state control groups tickets leases enter
-- Reply: done, known | learning | blind: the service does not tell scripts who it is | replica
if not state.known then return { 'done', 'known' } end
-- What was not promoted may be a proxy that answers from any server: then the resource does not learn again and again.
if primary.before ~= last.history and state.now < state.epoch + DISTRUST then return state.done({ 'done', 'known' }) end

local shares = groups.all()
for _, it in ipairs(shares) do it.taken, it.waiting, it.flagged, it.text = 0, 0, 0, nil end
groups.isRenamed, tickets.wakes, loaded, cold = true, {}, {}, {}
state.forget()
call('HSET', STATE, 'schema', SCHEMA, ' spec', state.spec, ' primary', primary.text)
state.held, state.revoking, state.waiting, state.claims, state.flagged, state.eligible = 0, 0, 0, 0, 0, 0
state.lookMax, state.probeAfter, state.probeFailures, state.censusUntil, state.farewells = 0, 0, 0, 0, 0
state.failures, state.trials, state.due = 0, 0, 0
state.learn()
return state.done({ 'done', 'learning' })
