-- What an operator, the breaker and a lost memory say about grants in general: the twin of memory-control.ts and breaker.ts.
local control = {}

-- Failing connects and trials, oldest first: { holder, at } and { id, until }.
function control.lists()
  if not control.breaker then
    local text = state.failures + state.trials > 0 and call('HGET', STATE, ' breaker')
    control.breaker = text and cmsgpack.unpack(text) or { {}, {} }
  end
  return control.breaker[1], control.breaker[2]
end

function control.set_lists(failing, trying)
  control.breaker = { failing, trying }
  state.failures, state.trials = #failing, #trying
  if state.failures + state.trials > 0 then
    call('HSET', STATE, ' breaker', cmsgpack.pack(control.breaker))
  else
    call('HDEL', STATE, ' breaker')
  end
end

function control.close_breaker()
  if state.openings + state.failures + state.trials == 0 then return end
  state.openings, state.openUntil, state.isAuth = 0, 0, 0
  control.set_lists({}, {})
end

function control.phase()
  return state.openings == 0 and 'closed' or state.now < state.openUntil and 'open' or 'half-open'
end

function control.open_breaker(auth)
  state.openings, state.isAuth = state.openings + 1, auth
  local base, most = OPEN_FOR, OPEN_FOR_MAX
  if auth == 1 then base, most = AUTH_FOR, AUTH_FOR_MAX end
  state.openUntil = state.now + math.min(most, base * 2 ^ (state.openings - 1))
  control.set_lists({}, {})
end

function control.end_learning()
  state.learnUntil = 0
  if state.farewells > 0 then call('HDEL', STATE, ' farewells') end
  state.farewells = 0
end

-- Leases that ended while learning: neither a census nor a late registration brings them back.
function control.has_left(id)
  if state.farewells == 0 then return false end
  return string.find(call('HGET', STATE, ' farewells'), ' ' .. id .. ' ', 1, true) ~= nil
end

function control.bid_farewell(id)
  if state.learnUntil == 0 or state.farewells >= FAREWELLS_MAX or control.has_left(id) then return end
  call('HSET', STATE, ' farewells', (call('HGET', STATE, ' farewells') or ' ') .. id .. ' ')
  state.farewells = state.farewells + 1
end

-- `pausedUntil` is negative where a resume is expected before, so that nobody is told the end.
function control.pause(forMs, atMost)
  state.control, state.pausedUntil = PAUSED, forMs > 0 and (state.now + forMs) * (atMost and -1 or 1) or 0
end

function control.paused_for()
  if state.control ~= PAUSED or state.pausedUntil == 0 then return 0 end
  return math.max(0, math.abs(state.pausedUntil) - state.now)
end

-- What time alone ends.
function control.end_by_time()
  if state.learnUntil > 0 and state.now >= state.learnUntil then control.end_learning() end
  if state.control == PAUSED and state.pausedUntil ~= 0 and control.paused_for() == 0 then state.control = OPEN end
  if state.trials == 0 then return end
  local _, trying = control.lists()
  for _, trial in ipairs(trying) do
    if trial[2] <= state.now then return control.open_breaker(state.isAuth) end
  end
end

-- What forbids every grant, and for how long at least if that is known.
function control.ban()
  local because, forMs
  if state.learnUntil > 0 then
    because, forMs = 'LEARNING', state.quietUntil - state.now
  elseif state.control == PAUSED then
    because, forMs = 'PAUSED', state.pausedUntil > 0 and control.paused_for() or 0
  elseif state.control == DRAINING then
    because, forMs = 'DRAINING', 0
  elseif state.openings > 0 and (state.now < state.openUntil or state.trials >= TRIALS) then
    because, forMs = 'BREAKER', state.openUntil - state.now
  end
  return because, forMs and forMs > 0 and forMs or nil
end

-- How the connect of a lease went.
function control.observe(id, holder, outcome)
  if outcome ~= 'refused' and outcome ~= 'auth' and outcome ~= 'unanswered' then
    if state.trials == 0 then return end
    local failing, trying = control.lists()
    local others = {}
    for _, trial in ipairs(trying) do
      if trial[1] ~= id then others[#others + 1] = trial end
    end
    return control.set_lists(failing, others)
  end
  local auth, now_is = outcome == 'auth' and 1 or 0, control.phase()
  -- While it is open: a connect of the time before it opened.
  if now_is == 'open' then return end
  if now_is == 'half-open' then return control.open_breaker(auth) end
  local failing, trying = control.lists()
  local recent, holders, distinct = {}, {}, 0
  for _, failure in ipairs(failing) do
    if failure[2] > state.now - WINDOW then recent[#recent + 1] = failure end
  end
  recent[#recent + 1] = { holder, state.now }
  if #recent > MEMORY then table.remove(recent, 1) end
  for _, failure in ipairs(recent) do
    if not holders[failure[1]] then distinct = distinct + 1 end
    holders[failure[1]] = true
  end
  if (state.held == 0 and #recent or distinct) >= FAILURES then return control.open_breaker(auth) end
  control.set_lists(recent, trying)
end

-- The census, once its quiet time is over, if nobody has it.
function control.take_census(id)
  if state.learnUntil == 0 or state.now < state.quietUntil or state.now < state.censusUntil then return {} end
  state.censusUntil, state.censusToken = state.now + CENSUS_DUTY, state.censusToken + 1
  call('HSET', STATE, ' census', id)
  return { state.epoch, state.censusToken }
end

-- The census that this lease was granted for, told once more.
function control.census_of(id)
  if state.learnUntil == 0 or state.now >= state.censusUntil or call('HGET', STATE, ' census') ~= id then return {} end
  return { state.epoch, state.censusToken }
end

-- A newcomer's lease for the census is protected still.
function control.is_census_out()
  local ends = call('ZSCORE', TIMES, call('HGET', STATE, ' census') or '')
  ends = tonumber(ends or 0)
  return ends > state.now and ends < REVOKING
end

-- Who sweeps: { sweeper, since, until, looked at }.
function control.sweep()
  local text = call('HGET', STATE, ' sweep')
  return text and cmsgpack.unpack(text) or { '', 0, 0, 0 }
end

function control.elect(sweeper, forMs)
  local it = control.sweep()
  local isRunning = state.now < it[3]
  if isRunning and it[1] ~= sweeper then return false end
  call('HSET', STATE, ' sweep', cmsgpack.pack({ sweeper, isRunning and it[2] or state.now, state.now + forMs, it[4] }))
  return true
end

function control.retire(sweeper, looked)
  local it = control.sweep()
  if it[1] ~= sweeper or state.now >= it[3] then return end
  call('HSET', STATE, ' sweep', cmsgpack.pack({ sweeper, it[2], state.now, looked and state.now or it[4] }))
end

-- What an operator has changed, if anything.
function control.in_force()
  if state.version == 0 and state.control == OPEN then return {} end
  return { state.spec, state.version, CONTROLS[state.control], control.paused_for() }
end

-- An operator's word comes back from a holder; the higher version wins.
function control.restore(text, version, word, pausedFor)
  if text == '-' or version <= state.version then return end
  state.version = version
  for number, name in pairs(CONTROLS) do
    if name == word then state.control = number end
  end
  if state.control == PAUSED then control.pause(pausedFor) end
  state.apply_in_force(text)
end

-- What a holder knows of the time before: how slow connects may be, and what an operator had changed.
function control.bring_back(at)
  state.raise_bound(tonumber(ARGV[at + 6]))
  control.restore(ARGV[at + 7], tonumber(ARGV[at + 8]), ARGV[at + 9], tonumber(ARGV[at + 10]))
end
