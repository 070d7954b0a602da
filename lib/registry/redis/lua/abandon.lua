-- abandon: gives leases up whose connection may still exist; they count until somebody proves it gone.
-- ARGV: holder, then for each lease: id, fence, session ('-' for none)
-- Reply: done, abandoned | unknown ...
local known, upgrade = enter()
if upgrade then return upgrade end
local holder, reply = ARGV[1], { 'done' }

local function bind_late(id, it, session)
  if not bind(it, session) then return end
  if tonumber(redis.call('ZSCORE', REVOKING, id)) == tonumber(it.lookAt) then redis.call('ZADD', REVOKING, now, id) end
  it.lookAt, it.endAt = '0', whole(now + idleMs + connectBoundMs)
  write(id, it)
end

local function abandon(id, fence, session)
  local it = known and read(id)
  if not it or it.holder ~= holder or it.fence ~= fence then return 'unknown' end
  if it.isRevoking then
    bind_late(id, it, session)
  else
    bind(it, session)
    revoke(id, it, 'abandoned')
  end
  return 'abandoned'
end

for i = 2, #ARGV, 3 do reply[#reply + 1] = abandon(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return known and done(reply) or reply
