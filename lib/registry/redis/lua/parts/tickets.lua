-- The callers that wait, and the slots that are kept for some of them: the twin of memory-tickets.ts.
local wakes = {}

local function read_ticket(id)
  local text = waiting + claims > 0 and call('HGET', TICKETS, id)
  if not text then return nil end
  local it = { id = id }
  it.stamp, it.listens, it.group, it.holder = struct.unpack(TICKET, text)
  return it
end

local function write_ticket(it)
  call('HSET', TICKETS, it.id, struct.pack(TICKET, it.stamp, it.listens, it.group, it.holder))
end

local function has_claim(id)
  return claims > 0 and tonumber(call('ZSCORE', QUEUE, id)) < 0
end

local function enqueue(it, group)
  call('ZADD', QUEUE, place_of(group) + it.stamp, it.id)
  change(group, 0, 1, 0)
end

local function add_ticket(id, order, listens, group, holder)
  local it = { id = id, stamp = order, listens = listens, group = group.name, holder = holder }
  write_ticket(it)
  enqueue(it, group)
end

-- Keeps a slot for the ticket, and has its holder woken when the script is done.
local function claim(it)
  change(find_group(it.group), 1, -1, 1)
  call('ZADD', QUEUE, now + claimMs - CLAIMED, it.id)
  due = math.min(due, now + claimMs)
  wakes[#wakes + 1] = it
end

local function forget_ticket(id)
  local it = read_ticket(id)
  if not it then return false end
  local group = find_group(it.group)
  if has_claim(id) then change(group, -1, 0, -1) else change(group, 0, -1, 0) end
  call('ZREM', QUEUE, id)
  call('ZREM', ALIVE, id)
  call('HDEL', TICKETS, id)
  return true
end

-- Passes over who has gone silent, and once who has missed a claim.
local function reap_tickets(limit)
  if waiting + claims == 0 then return end
  for _, id in ipairs(call('ZRANGEBYSCORE', ALIVE, '-inf', now, 'LIMIT', 0, limit)) do forget_ticket(id) end
  if claims == 0 then return end
  for _, id in ipairs(call('ZRANGEBYSCORE', QUEUE, '-inf', whole(now - CLAIMED), 'LIMIT', 0, limit)) do
    local it = read_ticket(id)
    local group = find_group(it.group)
    it.listens = 0
    write_ticket(it)
    change(group, -1, 0, -1)
    enqueue(it, group)
  end
end

-- Half of the tickets is none: their owners come back with their stamps.
local function lose_tickets()
  call('DEL', QUEUE, ALIVE, TICKETS)
  for _, it in ipairs(all_groups()) do change(it, -it.claimed, -it.waiting, -it.claimed) end
end

-- Better: below its minimum first, then by priority, then by age.
local function is_better(one, other)
  if one.isUrgent ~= other.isUrgent then return one.isUrgent end
  if one.group.priority ~= other.group.priority then return one.group.priority > other.group.priority end
  if one.stamp ~= other.stamp then return one.stamp < other.stamp end
  return one.id < other.id
end

-- The tickets that come next, best first; each counts as served when the one after it is looked for, and none of a group
-- beyond its maximum.
local function next_tickets(limit)
  local lines, chosen = {}, {}
  for _, group in ipairs(all_groups()) do
    if group.waiting > 0 then
      local first = group.place * PLACE
      local last = '(' .. whole(first + PLACE)
      lines[#lines + 1] = { group = group, served = 0, first = first,
        ids = call('ZRANGEBYSCORE', QUEUE, whole(first), last, 'WITHSCORES', 'LIMIT', 0, limit) }
    end
  end
  while #chosen < limit do
    local best
    for _, line in ipairs(lines) do
      local group, id, taken = line.group, line.ids[2 * line.served + 1], line.group.taken + line.served
      if id and taken < group.max then
        local one = { id = id, group = group, line = line, isUrgent = taken < group.min,
          stamp = tonumber(line.ids[2 * line.served + 2]) - line.first }
        if not best or is_better(one, best) then best = one end
      end
    end
    if not best then break end
    best.line.served = best.line.served + 1
    chosen[#chosen + 1] = best.id
  end
  return chosen
end

-- Offers the room to those who wait and can be woken; the rest of them find it when they poll.
local function serve()
  local limit = math.min(room(), OFFERS)
  if limit <= 0 or eligible == 0 or openings > 0 or ban() then return end
  for _, id in ipairs(next_tickets(limit)) do
    local it = read_ticket(id)
    if it.listens == 1 then claim(it) end
  end
end
