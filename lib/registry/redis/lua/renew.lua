-- renew: prolongs the protection of a holder's leases whose connections are open; free duties and the census ride on the reply.
-- uses: keys clock renew-fast identify state create control groups tickets leases enter
-- ARGV: holder, '-', then for each lease: id, fence, turn, session ('-' for none), idle (0|1)
--     | holder, settings of the first lease that comes back ('+': none that could), then for each lease the same and: its group
--       ('-': it does not come back), its connect bound, the settings that were in force ('-': not told), their version, control,
--       ms that a pause goes on
-- Reply: renewed, pressure, renew after ms, duty ms, { held, protect ms, yield | forgotten | lost, reason } ..., duties, in force, census
local holder, outcomes, last, anyHeld, width = ARGV[1], {}, nil, false, ARGV[2] == '-' and 5 or 11
if not state.known and ARGV[2] ~= '-' and ARGV[2] ~= '+' then
  state.create(ARGV[2])
  state.enter()
end

-- A lease that its holder brings to a registry that learns.
local function registered(at, record)
  local id, session = ARGV[at], ARGV[at + 3]
  local isBack = width > 5 and ARGV[at + 5] ~= '-' and session ~= '-'
  if record or state.learnUntil == 0 or not isBack or control.has_left(id) then return nil end
  control.bring_back(at)
  -- A grant of the time before whose ticket has outlived it: one id is one thing.
  tickets.forget(id)
  local group = groups.of(ARGV[at + 5], 0, NO_MAX, 0, 0)
  return leases.put(id, tonumber(ARGV[at + 1]), holder, group, 0, session, state.now + state.protectMs)
end

local function renew(at)
  local id, turn, session = ARGV[at], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local it, loss, record = leases.owned(id, holder, tonumber(ARGV[at + 1]), width > 5 and at or nil)
  it = it or registered(at, record)
  if not it then
    local isForgotten = state.learnUntil > 0 and not record and not control.has_left(id)
    return isForgotten and { 'forgotten' } or { 'lost', loss }
  end
  leases.bind(it, session)
  if turn > it.turn then
    it.turn = turn
    leases.unflag(it)
    -- A connect that was put off keeps what it was given.
    leases.protect(id, math.max(state.now + state.protectMs, leases.ends_of(id)))
    if ARGV[at + 4] == '1' or it.fence < state.staleBelow then leases.flag_if_wanted(it) end
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
