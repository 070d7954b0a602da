-- renew: prolongs the protection of a holder's leases whose connections are open; free duties and the census ride on the reply.
-- uses: keys clock renew-fast identify state create control groups tickets leases enter
-- ARGV: holder, '-', then for each lease: id, fence, turn, session ('-' for none), idle (0|1)
--     | holder, settings of the first lease that comes back ('+': none that could), then for each lease the same and: its group
--       ('-': it does not come back), the settings that were in force ('-': not told), their version, control, ms that a pause goes on
-- Reply: renewed, pressure, renew after ms, duty ms, { held, protect ms, yield | forgotten | lost, reason } ..., duties, in force, census
local holder, outcomes, last, anyHeld, width = ARGV[1], {}, nil, false, ARGV[2] == '-' and 5 or 10
if not state.known and ARGV[2] ~= '-' and ARGV[2] ~= '+' then
  state.create(ARGV[2])
  state.enter()
end

-- A lease that its holder brings to a registry that learns.
local function registered(at, record)
  local id, session, group = ARGV[at], ARGV[at + 3], width == 10 and ARGV[at + 5] or '-'
  if record or state.learnUntil == 0 or group == '-' or session == '-' or control.has_left(id) then return nil end
  control.restore(ARGV[at + 6], tonumber(ARGV[at + 7]), ARGV[at + 8], tonumber(ARGV[at + 9]))
  return leases.put(id, tonumber(ARGV[at + 1]), holder, groups.of(group, 0, NO_MAX, 0, 0), 0, session, state.now + state.protectMs)
end

-- A lease that a census has found is its holder's again.
local function take_over(it, name)
  if it.holder ~= NOBODY then return end
  it.holder = holder
  if width == 5 or name == '-' then return end
  leases.unflag(it)
  groups.change(groups.find(it.group), -1, 0)
  local group = groups.of(name, 0, NO_MAX, 0, 0)
  groups.change(group, 1, 0)
  it.group = group.name
end

local function renew(at)
  local id, turn, session = ARGV[at], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local it, loss, record = leases.owned(id, holder, tonumber(ARGV[at + 1]))
  it = it or registered(at, record)
  if not it then
    local isForgotten = state.learnUntil > 0 and not record and not control.has_left(id)
    return isForgotten and { 'forgotten' } or { 'lost', loss }
  end
  take_over(it, ARGV[at + 5])
  leases.bind(it, session)
  if turn > it.turn then
    it.turn = turn
    leases.unflag(it)
    -- A connect that was put off keeps what it was given.
    leases.protect(id, math.max(state.now + state.protectMs, leases.ends_of(id)))
    if ARGV[at + 4] == '1' then leases.flag_if_wanted(it) end
  end
  leases.write(it)
  anyHeld = true
  return { 'held', math.max(0, leases.ends_of(id) - state.now), it.flag }
end

for at = 3, #ARGV, width do
  outcomes[#outcomes + 1] = state.known and renew(at) or { 'forgotten' }
end
if not state.known then return { 'renewed', 0, 0, 0, outcomes, {}, {}, {} } end
for at = 3, #ARGV, width do
  local it = leases.read(ARGV[at])
  if it and it.loss == 0 and it.holder == holder then last = groups.find(it.group) end
end
local duties = anyHeld and leases.take_duties({}, DUTIES, state.now) or {}
local census = anyHeld and control.take_census('') or {}
return state.done({ 'renewed', leases.pressure(last), leases.renew_after(), state.dutyMs, outcomes, duties, control.in_force(), census })
