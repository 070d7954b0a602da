-- The groups, and the sums over them that admission reads: the twin of memory-groups.ts.
-- A group's place (of 2^47 stamps) is where its tickets are in the queue; it has one while it has tickets there.
local PLACE, CLAIMED, OTHERS, NO_MAX = 140737488355328, 4503599627370496, '~', 1000000000
local groups, names, isRenamed = {}, nil, false

local function group_names()
  if not names then
    names = {}
    local text = groupCount > 0 and call('HGET', STATE, ' names') or ''
    for name in string.gmatch(text, '%S+') do names[#names + 1] = name end
  end
  return names
end

-- The record of a group, or nil.
local function find_group(name)
  local it = groups[name]
  if it then return it end
  local text = call('HGET', STATE, ' g' .. name)
  if not text then return nil end
  it = { name = name, text = text }
  it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.claimed, it.place = struct.unpack(GROUP, text)
  groups[name] = it
  return it
end

-- The record of a group, made if need be; the share is written then, its minimum only if the minima stay within `limit`.
local function group_of(name, min, max, priority, limit)
  local it = find_group(name)
  if it then return it end
  if groupCount >= GROUPS - 1 and name ~= OTHERS then return group_of(OTHERS, 0, NO_MAX, 0, 0) end
  if minima + min > limit then min = 0 end
  it = { name = name, taken = 0, min = min, max = max, priority = priority, waiting = 0, flagged = 0, version = 0, claimed = 0, place = -1 }
  groups[name] = it
  table.insert(group_names(), name)
  groupCount, minima, isRenamed = groupCount + 1, minima + min, true
  return it
end

local function all_groups()
  local all = {}
  for i, name in ipairs(group_names()) do all[i] = find_group(name) end
  return all
end

-- Tickets of a group that are served before anyone above their minimum, and those that its maximum allows to serve.
local function urgent_of(it)
  return math.min(it.waiting, math.max(0, it.min - it.taken))
end

local function eligible_of(it)
  return math.min(it.waiting, math.max(0, it.max - it.taken))
end

-- A group changes by so many leases and claims, tickets, and claims alone.
local function change(it, taken, waits, claimed)
  eligible = eligible - eligible_of(it)
  it.taken, it.waiting, it.claimed = it.taken + taken, it.waiting + waits, it.claimed + claimed
  waiting, claims = waiting + waits, claims + claimed
  eligible = eligible + eligible_of(it)
end

-- Where the group's tickets are in the queue; a place of its own from its first ticket on.
local function place_of(it)
  if it.place >= 0 then return it.place * PLACE end
  local used, place = {}, 0
  for _, other in ipairs(waiting > 0 and all_groups() or {}) do used[other.place] = true end
  while used[place] do place = place + 1 end
  it.place = place
  return place * PLACE
end

-- Tickets of a group that are older than a stamp.
local function older_in(it, than)
  if it.waiting == 0 then return 0 end
  local first = it.place * PLACE
  return call('ZCOUNT', QUEUE, whole(first), '(' .. whole(first + than))
end

-- A record that says nothing is dropped, so that names which come and go do not fill the table.
local function drop_empty()
  for name, it in pairs(groups) do
    if it.taken == 0 and it.waiting == 0 and it.version == 0 then
      groups[name], groupCount, minima, isRenamed = nil, groupCount - 1, minima - it.min, true
      if it.text then call('HDEL', STATE, ' g' .. name) end
      for i, each in ipairs(group_names()) do
        if each == name then table.remove(names, i) break end
      end
    end
  end
end

-- Stores what has changed.
local function save_groups(fields)
  for name, it in pairs(groups) do
    if it.waiting == 0 then it.place = -1 end
    local text = struct.pack(GROUP, it.taken, it.min, it.max, it.priority, it.waiting, it.flagged, it.version, it.claimed, it.place)
    if text ~= it.text then
      fields[#fields + 1] = ' g' .. name
      fields[#fields + 1] = text
    end
  end
  if not isRenamed then return end
  fields[#fields + 1] = ' names'
  fields[#fields + 1] = table.concat(names, ' ')
end
