-- inspect: the present state; changes nothing but what time made due.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: how many entries to list, or ids of those to list
-- Reply: unknown | state, settings, held, protected, revoking, waiters, flagged, learning ms, claims, debt, foreign, epoch,
--        version, control, ms left of a pause, { ms since the last reconnect } or {}, breaker,
--        { name, min, max, priority, taken, waiting } ..., { id, fence, state, holder, group, session, probe } ...,
--        { ms since a sweeper began, is it running, { ms since one was at the database } }: empty for never
if not state.known then return { 'unknown' } end
local limit, entries, shares = math.min(tonumber(ARGV[1]), PAGE), {}, {}

local function add(id, ends)
  local it = leases.read(id)
  local word = it.loss > 0 and 'revoking' or ends > state.now and 'protected' or 'revocable'
  entries[#entries + 1] = { it.id, it.fence, word, it.holder, it.group, it.session, it.probe }
end

local function list(band)
  if #entries >= limit then return end
  local found = call('ZRANGEBYSCORE', TIMES, band, band + FOREVER, 'WITHSCORES', 'LIMIT', 0, limit - #entries)
  for i = 1, #found, 2 do add(found[i], tonumber(found[i + 1])) end
end

list(HELD)
list(REVOKING)
for i = 2, math.min(#ARGV, PAGE + 1) do
  local ends = leases.ends_of(ARGV[i])
  if ends and leases.read(ARGV[i]) then add(ARGV[i], ends) end
end
local sweep, seen = control.sweep(), {}
if sweep[2] > 0 then
  seen = { state.now - sweep[2], state.now < sweep[3] and 1 or 0, sweep[4] > 0 and { state.now - sweep[4] } or {} }
end
for i, it in ipairs(groups.all()) do shares[i] = { it.name, it.min, it.max, it.priority, it.taken, it.waiting } end
local protected = call('ZCOUNT', TIMES, '(' .. whole(state.now), FOREVER)
return state.done({ 'state', state.spec, state.held, protected, state.revoking, state.waiting + state.claims, state.flagged, math.max(0, state.learnUntil - state.now), state.claims,
  state.debt(), state.foreign, state.epoch, state.version, CONTROLS[state.control], control.paused_for(), leases.reconnected_ago(), control.phase(), shares, entries, seen })
