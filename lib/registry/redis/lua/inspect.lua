-- inspect: the present state; changes nothing but what time made due.
-- ARGV: how many entries to list
-- Reply: unknown | state, settings, held, protected, revoking, waiters, flagged, learning ms,
--        { id, fence, state, holder, group, session, probe } ...
local known, upgrade = enter()
if upgrade then return upgrade end
if not known then return { 'unknown' } end
local limit, entries = math.min(tonumber(ARGV[1]), PAGE), {}

local function list(key)
  if #entries >= limit then return end
  for _, id in ipairs(redis.call('ZRANGE', key, 0, limit - #entries - 1)) do
    local it = read(id)
    local isProtected = key == HELD and tonumber(redis.call('ZSCORE', HELD, id)) > now
    local word = it.isRevoking and 'revoking' or isProtected and 'protected' or 'revocable'
    entries[#entries + 1] = { id, tonumber(it.fence), word, it.holder, it.group, it.session, tonumber(it.probe) }
  end
end

list(HELD)
list(REVOKING)
local isProtected = redis.call('ZCOUNT', HELD, '(' .. whole(now), '+inf')
return done({ 'state', spec, state.held, isProtected, state.revoking, waiters, state.flagged,
  math.max(0, state.learnUntil - now), entries })
