-- The callers that wait, and the slots that are kept for some of them: the twin of memory-tickets.ts.
local tickets = { wakes = {} }

function tickets.read(id)
  local text = state.waiting + state.claims > 0 and call('HGET', STATE, ' t' .. id)
  if not text then return nil end
  local it = { id = id }
  it.stamp, it.listens, it.isPassedOver, it.isSummoned, it.group, it.holder = struct.unpack(TICKET, text)
  return it
end

function tickets.write(it)
  call('HSET', STATE, ' t' .. it.id, struct.pack(TICKET, it.stamp, it.listens, it.isPassedOver, it.isSummoned, it.group, it.holder))
end

function tickets.has_claim(id)
  return state.claims > 0 and tonumber(call('ZSCORE', TIMES, ' ' .. id)) < QUEUE
end

function tickets.keep_alive(id)
  local ends = state.now + state.livenessMs
  call('ZADD', TIMES, ALIVE + ends, '  ' .. id)
  state.due = math.min(state.due, ends)
end

function tickets.enqueue(it, group)
  call('ZADD', TIMES, groups.place_of(group) + it.stamp, ' ' .. it.id)
  groups.change(group, 0, 1)
end

function tickets.add(id, order, listens, group, holder)
  local it = { id = id, stamp = order, listens = listens, isPassedOver = 0, isSummoned = 0, group = group.name, holder = holder }
  tickets.write(it)
  tickets.enqueue(it, group)
end

-- Keeps a slot for the ticket, and has its holder woken when the script is done.
function tickets.claim(it)
  local ends = state.now + state.claimMs
  groups.change(groups.find(it.group), 1, -1)
  call('ZADD', TIMES, CLAIMED + ends, ' ' .. it.id)
  state.claims, state.due = state.claims + 1, math.min(state.due, ends)
  tickets.wakes[#tickets.wakes + 1] = it
end

function tickets.unclaim(group)
  groups.change(group, -1, 0)
  state.claims = state.claims - 1
end

function tickets.forget(id)
  local it = tickets.read(id)
  if not it then return false end
  local group = groups.find(it.group)
  if tickets.has_claim(id) then tickets.unclaim(group) else groups.change(group, 0, -1) end
  call('ZREM', TIMES, ' ' .. id, '  ' .. id)
  call('HDEL', STATE, ' t' .. id)
  return true
end

-- Passes over who has gone silent, and once who has missed a claim.
function tickets.reap(limit)
  if state.waiting + state.claims == 0 then return end
  for _, member in ipairs(state.members(ALIVE, state.now, limit)) do tickets.forget(string.sub(member, 3)) end
  if state.claims == 0 then return end
  for _, member in ipairs(state.members(CLAIMED, state.now, limit)) do
    local it = tickets.read(string.sub(member, 2))
    local group = groups.find(it.group)
    it.isPassedOver = 1
    tickets.write(it)
    tickets.unclaim(group)
    tickets.enqueue(it, group)
  end
end

-- Better: below its minimum first, then by priority, then by age.
function tickets.is_better(one, other)
  if one.isUrgent ~= other.isUrgent then return one.isUrgent end
  if one.group.priority ~= other.group.priority then return one.group.priority > other.group.priority end
  if one.stamp ~= other.stamp then return one.stamp < other.stamp end
  return one.id < other.id
end

-- The oldest tickets of a group, but for those that are passed over until their next poll.
function tickets.oldest(group)
  local first = groups.place_of(group)
  local found, line = call('ZRANGEBYSCORE', TIMES, first, '(' .. whole(first + PLACE), 'LIMIT', 0, OFFERS), {}
  for _, member in ipairs(found) do
    local it = tickets.read(string.sub(member, 2))
    if it.isPassedOver == 0 then line[#line + 1] = it end
  end
  return line
end

-- The tickets that come next, best first; each counts as served when the one after it is looked for, and none of a group
-- beyond its maximum.
function tickets.choose(limit)
  local lines, chosen = {}, {}
  for _, group in ipairs(groups.all()) do
    if group.waiting > 0 then lines[#lines + 1] = { group = group, served = 0, tickets = tickets.oldest(group) } end
  end
  while #chosen < limit do
    local best
    for _, line in ipairs(lines) do
      local group, ticket, taken = line.group, line.tickets[line.served + 1], line.group.taken + line.served
      if ticket and taken < group.max then
        local one = { ticket = ticket, group = group, line = line, isUrgent = taken < group.min, stamp = ticket.stamp, id = ticket.id }
        if not best or tickets.is_better(one, best) then best = one end
      end
    end
    if not best then break end
    best.line.served = best.line.served + 1
    chosen[#chosen + 1] = best.ticket
  end
  return chosen
end

-- Offers the room to those who wait and can be woken; one slot is left for each better ticket that cannot.
function tickets.serve()
  local limit = math.min(state.room(), OFFERS, state.starts_left() - state.claims)
  if limit <= 0 or state.eligible == 0 or state.openings > 0 or control.ban() then return end
  for _, it in ipairs(tickets.choose(limit)) do
    if it.listens == 1 then tickets.claim(it) end
  end
end

-- How many may be told of what is no room to offer: an unprotected lease, or a free duty.
function tickets.places_to_tell()
  if state.eligible == 0 or state.openings > 0 or control.ban() then return 0 end
  return math.max(0, math.min(state.capped() - state.count() - state.claims, OFFERS, state.starts_left() - state.claims))
end

-- Wakes the best for what only a poll can take, once until they poll.
-- `forAll`: what anybody may take. `own`: what only tickets of the same group may, by its name; nil if there is none.
function tickets.summon(places, forAll, own)
  if forAll == 0 and not own then return end
  for _, it in ipairs(tickets.choose(places)) do
    local ofGroup = own and own[it.group] or 0
    local isTakable = ofGroup > 0 or forAll > 0
    if ofGroup > 0 then own[it.group] = ofGroup - 1 elseif isTakable then forAll = forAll - 1 end
    if isTakable and it.listens == 1 and it.isSummoned == 0 then
      it.isSummoned = 1
      tickets.write(it)
      tickets.wakes[#tickets.wakes + 1] = it
    end
  end
end
