-- renew: prolongs the protection of a holder's leases whose connections are open; free duties and the census ride on the reply.
-- uses: keys clock renew-fast state control groups tickets leases enter
-- ARGV: holder, settings of the first lease that comes back ('-': none), then for each lease: id, fence, turn,
--       session ('-' for none), idle (0|1), group where it comes back ('-'), the settings then in force ('-'), their version,
--       control, ms that a pause goes on
-- Reply: renewed, pressure, renew after ms, duty ms, { held, protect ms, yield | forgotten | lost, reason } ..., duties, in force, census
local holder, outcomes, last, anyHeld = ARGV[1], {}, nil, false
if not known and ARGV[2] ~= '-' then
  create(ARGV[2])
  enter()
end

-- An operator's word comes back from a holder; the higher version wins.
local function restore(text, itsVersion, word, pausedFor)
  if text == '-' or itsVersion <= version then return end
  version = itsVersion
  for number, name in pairs(CONTROLS) do
    if name == word then control = number end
  end
  if control == PAUSED then pause(pausedFor) end
  read_settings(text)
end

-- A lease that its holder brings to a registry that learns.
local function registered(at, record)
  local id, session, group = ARGV[at], ARGV[at + 3], ARGV[at + 5]
  if record or learnUntil == 0 or group == '-' or session == '-' or has_left(id) then return nil end
  restore(ARGV[at + 6], tonumber(ARGV[at + 7]), ARGV[at + 8], tonumber(ARGV[at + 9]))
  return put(id, tonumber(ARGV[at + 1]), holder, group_of(group, 0, NO_MAX, 0, 0), 0, session, now + protectMs)
end

-- A lease that a census has found is its holder's again.
local function take_over(it, name)
  if it.holder ~= NOBODY then return end
  it.holder = holder
  if name == '-' then return end
  unflag(it)
  change(find_group(it.group), -1, 0, 0)
  local group = group_of(name, 0, NO_MAX, 0, 0)
  change(group, 1, 0, 0)
  it.group = group.name
end

local function renew(at)
  local id, turn, session = ARGV[at], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local it, loss, record = owned(id, holder, tonumber(ARGV[at + 1]))
  it = it or registered(at, record)
  if not it then
    local isForgotten = learnUntil > 0 and not record and not has_left(id)
    return isForgotten and { 'forgotten' } or { 'lost', loss }
  end
  take_over(it, ARGV[at + 5])
  bind(it, session)
  if turn > it.turn then
    it.turn = turn
    unflag(it)
    -- A connect that was put off keeps what it was given.
    protect(id, math.max(now + protectMs, ends_of(id)))
    if ARGV[at + 4] == '1' then flag_if_wanted(it) end
  end
  write(it)
  anyHeld = true
  return { 'held', math.max(0, ends_of(id) - now), it.flag }
end

for at = 3, #ARGV, 10 do
  outcomes[#outcomes + 1] = known and renew(at) or { 'forgotten' }
end
if not known then return { 'renewed', 0, 0, 0, outcomes, {}, {}, {} } end
for at = 3, #ARGV, 10 do
  local it = read(ARGV[at])
  if it and it.loss == 0 and it.holder == holder then last = find_group(it.group) end
end
local duties = anyHeld and take_duties({}, DUTIES, now) or {}
local census = anyHeld and take_census('') or {}
return done({ 'renewed', pressure(last), renew_after(), dutyMs, outcomes, duties, in_force(), census })
