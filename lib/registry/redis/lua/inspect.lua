-- inspect: the present state; changes nothing but what time made due.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: how many entries to list
-- Reply: unknown | state, settings, held, protected, revoking, waiters, flagged, learning ms, claims, debt, foreign, epoch,
--        version, control, ms left of a pause, { ms since the last reconnect } or {}, breaker, { name, min, max, priority, taken, waiting } ..., { id, fence, state, holder, group, session, probe } ...
if not state.known then return { 'unknown' } end
local limit, entries, shares = math.min(tonumber(ARGV[1]), PAGE), {}, {}

local function list(band)
  if #entries >= limit then return end
  local found = call('ZRANGEBYSCORE', TIMES, band, band + FOREVER, 'WITHSCORES', 'LIMIT', 0, limit - #entries)
  for i = 1, #found, 2 do
    local it = leases.read(found[i])
    local word = it.loss > 0 and 'revoking' or tonumber(found[i + 1]) > state.now and 'protected' or 'revocable'
    entries[#entries + 1] = { it.id, it.fence, word, it.holder, it.group, it.session, it.probe }
  end
end

list(HELD)
list(REVOKING)
for i, it in ipairs(groups.all()) do shares[i] = { it.name, it.min, it.max, it.priority, it.taken, it.waiting } end
local protected = call('ZCOUNT', TIMES, '(' .. whole(state.now), FOREVER)
return state.done({ 'state', state.spec, state.held, protected, state.revoking, state.waiting + state.claims, state.flagged, math.max(0, state.learnUntil - state.now), state.claims,
  state.debt(), state.foreign, state.epoch, state.version, CONTROLS[state.control], control.paused_for(), leases.reconnected_ago(), control.phase(), shares, entries })
