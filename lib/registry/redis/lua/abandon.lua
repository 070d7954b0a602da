-- abandon: gives leases up whose connection may still exist; they count until somebody proves it gone.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: holder, then for each lease: id, fence, session ('-' for none), outcome
-- Reply: done, abandoned | unknown ...
local holder, reply = ARGV[1], { 'done' }

local function bind_late(it, session)
  if it.session ~= '-' or session == '-' then return end
  it.session, it.endAt = session, state.now + state.idleMs + state.connectBoundMs
  local isFree = tonumber(call('ZSCORE', TIMES, it.id)) == REVOKING + it.lookAt
  it.lookAt = 0
  if isFree then leases.free_duty(it) end
  leases.write(it)
end

local function abandon(id, itsFence, session, outcome)
  if not state.known then return 'unknown' end
  local it, _, record = leases.owned(id, holder, itsFence)
  if it then
    leases.bind(it, session)
    leases.revoke(it, 'abandoned')
    control.observe(id, it.holder, outcome)
    return 'abandoned'
  end
  if not record or record.loss == 0 or record.holder ~= holder or record.fence ~= itsFence then return 'unknown' end
  bind_late(record, session)
  return 'abandoned'
end

for i = 2, #ARGV, 4 do
  reply[#reply + 1] = abandon(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3])
end
return state.known and state.done(reply) or reply
