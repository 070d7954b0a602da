-- settle: reports looks at the database; what is proven gone no longer counts.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: lease the look was made through ('-' for none), its fence, then for each entry: id, absent | cannot | vacant, seen (0|1),
--       server or fence
-- Reply: done, settled | kept | unknown ...
local by, byFence, reply = ARGV[1], tonumber(ARGV[2]), { 'done' }

local function is_proof(it, seen, server)
  if it.session == '-' then return seen or state.now >= it.lookAt end
  if string.sub(it.session, 1, #server + 1) == server .. '.' then return true end
  -- Another server's list proves nothing, unless the looker connected after the revocation: then the endpoint has moved on.
  local looker = leases.read(by)
  return looker and looker.loss == 0 and looker.fence == byFence and looker.grantedAt >= it.revokedAt
end

-- A look has not shown the session of a lease that was not protected.
local function vacate(it, itsFence)
  if it.loss > 0 or it.fence ~= itsFence or leases.ends_of(it.id) > state.now then return 'unknown' end
  leases.revoke(it, 'expired')
  return 'kept'
end

local function settle(id, kind, seen, server)
  local it = state.known and leases.read(id)
  if it and kind == 'vacant' then return vacate(it, tonumber(server)) end
  if not it or it.loss == 0 then return 'unknown' end
  if kind == 'cannot' then
    leases.free_duty(it)
    return 'kept'
  end
  if not is_proof(it, seen, server) then return 'kept' end
  leases.remove_revoking(it)
  control.bid_farewell(id)
  return 'settled'
end

for i = 3, #ARGV, 4 do reply[#reply + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1', ARGV[i + 3]) end
return state.known and state.done(reply) or reply
