-- The groups, and the sums over them that admission reads: the twin of memory-groups.ts.
-- A group's place (of 2^47 stamps) is where its tickets are in the queue; it has one while it has tickets there.
local groups = { loaded = {}, isRenamed = false }

function groups.list_names()
  local names = groups.names
  if not names then
    names = {}
    groups.names = names
    local text = state.groupCount > 0 and call('HGET', STATE, ' names') or ''
    for name in string.gmatch(text, '%S+') do names[#names + 1] = name end
  end
  return names
end

-- The record of a group, or nil.
function groups.find(name)
  local it = groups.loaded[name]
  if it then return it end
  local text = call('HGET', STATE, ' g' .. name)
  if not text then return nil end
  it = { name = name, text = text }
  it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.place = struct.unpack(GROUP, text)
  groups.loaded[name] = it
  return it
end

-- Of the group's share, and of the sums over all of them.
function groups.set_share(it, min, max, priority)
  state.minima = state.minima - it.min + min
  state.eligible = state.eligible - groups.eligible_of(it)
  it.min, it.max, it.priority = min, max, priority
  state.eligible = state.eligible + groups.eligible_of(it)
end

-- Nobody has said what the group is entitled to: its leases came back without a word of it, or its first caller had none.
local function is_unsaid(it)
  return it.version == 0 and it.min == 0 and it.max == NO_MAX and it.priority == 0 and it.name ~= OTHERS
end

-- The record of a group, made if need be; the share is written then, or once somebody has one to say, its minimum only if
-- the minima stay within `limit`.
function groups.of(name, min, max, priority, limit)
  local it = groups.find(name)
  local isFull = not it and state.groupCount >= GROUPS - 1 and name ~= OTHERS
  if isFull then return groups.of(OTHERS, 0, NO_MAX, 0, 0) end
  if state.minima + min > limit then min = 0 end
  if it then
    if is_unsaid(it) then groups.set_share(it, min, max, priority) end
    return it
  end
  it = { name = name, taken = 0, min = min, max = max, priority = priority, waiting = 0, flagged = 0, version = 0, place = -1 }
  groups.loaded[name] = it
  table.insert(groups.list_names(), name)
  state.groupCount, state.minima, groups.isRenamed = state.groupCount + 1, state.minima + min, true
  return it
end

function groups.all()
  local all = {}
  for i, name in ipairs(groups.list_names()) do all[i] = groups.find(name) end
  return all
end

-- Tickets of a group that are served before anyone above their minimum, and those that its maximum allows to serve.
function groups.urgent_of(it)
  return math.min(it.waiting, math.max(0, it.min - it.taken))
end

function groups.eligible_of(it)
  return math.min(it.waiting, math.max(0, it.max - it.taken))
end

-- A group changes by so many leases and claims, and tickets without a claim.
function groups.change(it, taken, waits)
  state.eligible = state.eligible - groups.eligible_of(it)
  it.taken, it.waiting, state.waiting = it.taken + taken, it.waiting + waits, state.waiting + waits
  state.eligible = state.eligible + groups.eligible_of(it)
end

-- Where the group's tickets are in the queue; a place of its own from its first ticket on.
function groups.place_of(it)
  if it.place >= 0 then return QUEUE + it.place * PLACE end
  local used, place = {}, 0
  for _, other in ipairs(state.waiting > 0 and groups.all() or {}) do used[other.place] = true end
  while used[place] do place = place + 1 end
  it.place = place
  return QUEUE + place * PLACE
end

-- Tickets of a group that are older than a stamp.
function groups.older_in(it, than)
  if it.waiting == 0 then return 0 end
  local first = groups.place_of(it)
  return call('ZCOUNT', TIMES, whole(first), '(' .. whole(first + than))
end

-- A record that says nothing is dropped, so that names which come and go do not fill the table.
function groups.drop_empty()
  for name, it in pairs(groups.loaded) do
    if it.taken == 0 and it.waiting == 0 and it.version == 0 then
      groups.loaded[name], state.groupCount, state.minima, groups.isRenamed = nil, state.groupCount - 1, state.minima - it.min, true
      if it.text then call('HDEL', STATE, ' g' .. name) end
      for i, each in ipairs(groups.list_names()) do
        if each == name then table.remove(groups.names, i) break end
      end
    end
  end
end

-- Stores what has changed.
function groups.save(fields)
  for name, it in pairs(groups.loaded) do
    if it.waiting == 0 then it.place = -1 end
    local text = struct.pack(GROUP, it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.place)
    if text ~= it.text then
      fields[#fields + 1] = ' g' .. name
      fields[#fields + 1] = text
    end
  end
  if not groups.isRenamed then return end
  fields[#fields + 1] = ' names'
  fields[#fields + 1] = ' ' .. table.concat(groups.names, ' ') .. ' '
end
