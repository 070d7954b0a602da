-- operate: an operator's word.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: pause, ms (0: until resume) | resume | drain | reconnect | resize, capacity, headroom, version ('-': the next)
--     | share, group, min, max, priority, version ('-': the next) | observe, holder, outcome
-- Reply: done, done | stale | refused | unknown
if not known then return { 'done', 'unknown' } end
local kind, handlers = ARGV[1], {}

function handlers.pause()
  pause(tonumber(ARGV[2]))
end

function handlers.resume()
  control = OPEN
  close_breaker()
end

function handlers.drain()
  control = DRAINING
end

function handlers.reconnect()
  staleBelow = next_fence()
end

function handlers.observe()
  observe('', ARGV[2], ARGV[3])
  return 'done'
end

function handlers.resize()
  local most, kept, next = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) or version + 1
  if next <= version then return 'stale' end
  if minima > most - kept then return 'refused' end
  read_settings((string.gsub(spec, '^%d+,%d+', ARGV[2] .. ',' .. ARGV[3])))
  version = next
  return 'done'
end

function handlers.share()
  local min, max, priority = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local group = group_of(ARGV[2], 0, NO_MAX, 0, 0)
  local next = tonumber(ARGV[6]) or group.version + 1
  if next <= group.version then return 'stale' end
  if minima - group.min + min > capacity - headroom then return 'refused' end
  minima = minima - group.min + min
  eligible = eligible - eligible_of(group)
  group.min, group.max, group.priority, group.version = min, max, priority, next
  eligible = eligible + eligible_of(group)
  return 'done'
end

local word = handlers[kind]()
if not word then
  version, word = version + 1, 'done'
end
return done({ 'done', word })
