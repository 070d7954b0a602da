-- What an operator, the breaker and a lost memory say about grants in general: the twin of memory-control.ts and breaker.ts.
local lists

-- Failing connects and trials, oldest first: { holder, at } and { id, until }.
local function breaker_lists()
  if not lists then
    local text = failures + trials > 0 and call('HGET', STATE, ' breaker')
    lists = text and cmsgpack.unpack(text) or { {}, {} }
  end
  return lists[1], lists[2]
end

local function set_breaker(failing, trying)
  lists = { failing, trying }
  failures, trials = #failing, #trying
  if failures + trials > 0 then
    call('HSET', STATE, ' breaker', cmsgpack.pack(lists))
  else
    call('HDEL', STATE, ' breaker')
  end
end

local function close_breaker()
  if openings + failures + trials == 0 then return end
  openings, openUntil, isAuth = 0, 0, 0
  set_breaker({}, {})
end

local function phase()
  return openings == 0 and 'closed' or now < openUntil and 'open' or 'half-open'
end

local function open_breaker(auth)
  openings, isAuth = openings + 1, auth
  local base, most = OPEN_FOR, OPEN_FOR_MAX
  if auth == 1 then base, most = AUTH_FOR, AUTH_FOR_MAX end
  openUntil = now + math.min(most, base * 2 ^ (openings - 1))
  set_breaker({}, {})
end

local function end_learning()
  learnUntil = 0
  if farewells > 0 then call('DEL', FAREWELLS) end
  farewells = 0
end

-- A lease that was given back while learning: no census adopts it.
local function bid_farewell(id)
  if farewells < FAREWELLS_MAX then farewells = farewells + call('SADD', FAREWELLS, id) end
end

local function has_left(id)
  return farewells > 0 and call('SISMEMBER', FAREWELLS, id) == 1
end

local function pause(forMs)
  control, pausedUntil = PAUSED, forMs > 0 and now + forMs or 0
end

local function paused_for()
  return control == PAUSED and pausedUntil > 0 and math.max(0, pausedUntil - now) or 0
end

-- What time alone ends.
local function end_by_time()
  if learnUntil > 0 and now >= learnUntil then end_learning() end
  if control == PAUSED and pausedUntil > 0 and now >= pausedUntil then control = OPEN end
  if trials == 0 then return end
  local _, trying = breaker_lists()
  for _, trial in ipairs(trying) do
    if trial[2] <= now then return open_breaker(isAuth) end
  end
end

-- What forbids every grant, and for how long at least if that is known.
local function ban()
  local because, forMs
  if learnUntil > 0 then
    because, forMs = 'LEARNING', quietUntil - now
  elseif control == PAUSED then
    because, forMs = 'PAUSED', paused_for()
  elseif control == DRAINING then
    because, forMs = 'DRAINING', 0
  elseif openings > 0 and (now < openUntil or trials >= TRIALS) then
    because, forMs = 'BREAKER', openUntil - now
  end
  return because, forMs and forMs > 0 and forMs or nil
end

-- How the connect of a lease went.
local function observe(id, holder, outcome)
  if outcome ~= 'refused' and outcome ~= 'auth' and outcome ~= 'unanswered' then
    if trials == 0 then return end
    local failing, trying = breaker_lists()
    local others = {}
    for _, trial in ipairs(trying) do
      if trial[1] ~= id then others[#others + 1] = trial end
    end
    return set_breaker(failing, others)
  end
  local auth, now_is = outcome == 'auth' and 1 or 0, phase()
  -- While it is open: a connect of the time before it opened.
  if now_is == 'open' then return end
  if now_is == 'half-open' then return open_breaker(auth) end
  local failing, trying = breaker_lists()
  local recent, holders, distinct = {}, {}, 0
  for _, failure in ipairs(failing) do
    if failure[2] > now - WINDOW then recent[#recent + 1] = failure end
  end
  recent[#recent + 1] = { holder, now }
  if #recent > MEMORY then table.remove(recent, 1) end
  for _, failure in ipairs(recent) do
    if not holders[failure[1]] then distinct = distinct + 1 end
    holders[failure[1]] = true
  end
  if (held == 0 and #recent or distinct) >= FAILURES then return open_breaker(auth) end
  set_breaker(recent, trying)
end

-- The census, once its quiet time is over, if nobody has it.
local function take_census(id)
  if learnUntil == 0 or now < quietUntil or now < censusUntil then return {} end
  censusUntil, censusToken = now + CENSUS_DUTY, censusToken + 1
  call('HSET', STATE, ' census', id)
  return { epoch, censusToken }
end

-- The census that this lease was granted for, told once more.
local function census_of(id)
  if learnUntil == 0 or now >= censusUntil or call('HGET', STATE, ' census') ~= id then return {} end
  return { epoch, censusToken }
end

-- What an operator has changed, if anything.
local function in_force()
  if version == 0 and control == OPEN then return {} end
  return { spec, version, CONTROLS[control], paused_for() }
end
