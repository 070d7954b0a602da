-- release: gives leases back whose connection was never started, was refused, or was seen to end; cancels a ticket.
-- uses: keys clock release-fast state control groups tickets leases enter
-- ARGV: holder, then for each lease: id, fence (0: never told), outcome; for one lease all in one argument with spaces between
-- Replies: done, released | unknown ... | released
local holder, reply = words[1], { 'done' }

-- Fence 0: the answer that told it was lost. Nobody's lease has a session, so its fence is known.
local function may_release(it, itsFence)
  if it.fence == itsFence then return it.holder == holder or it.holder == NOBODY end
  return itsFence == 0 and it.holder == holder
end

local function release(id, itsFence, outcome)
  if not state.known then return 'unknown' end
  if tickets.forget(id) then return 'released' end
  local it = leases.read(id)
  if it and not may_release(it, itsFence) then return 'unknown' end
  control.bid_farewell(id)
  if not it then return 'unknown' end
  local before = state.probeFailures
  if it.loss > 0 then
    leases.remove_revoking(it)
  else
    leases.remove_held(it)
    call('HDEL', STATE, id)
  end
  if it.probe == 1 and outcome == 'refused' then leases.probe_failed(before) end
  control.observe(id, it.holder, outcome)
  return 'released'
end

for i = 2, #words, 3 do reply[#reply + 1] = release(words[i], tonumber(words[i + 1]), words[i + 2]) end
return state.known and state.done(reply) or reply
