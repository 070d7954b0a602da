-- operate: an operator's word.
-- uses: keys clock load state control groups tickets leases enter
-- ARGV: pause, ms (0: until resume), 1 if a resume is expected before | resume | drain | reconnect | resize, capacity, headroom, version ('-': the next)
--     | share, group, min, max, priority, version ('-': the next) | observe, holder, outcome
--     | retire, sweeper, looked (0|1)
-- Reply: done, done | stale | refused | unknown
if not state.known then return { 'done', 'unknown' } end
local kind, handlers = ARGV[1], {}

function handlers.pause()
  control.pause(tonumber(ARGV[2]), ARGV[3] == '1')
end

function handlers.resume()
  state.control = OPEN
  control.close_breaker()
end

function handlers.drain()
  state.control = DRAINING
end

function handlers.reconnect()
  state.staleBelow = leases.next_fence()
end

function handlers.observe()
  control.observe('', ARGV[2], ARGV[3])
  return 'done'
end

function handlers.retire()
  control.retire(ARGV[2], ARGV[3] == '1')
  return 'done'
end

function handlers.resize()
  local most, kept, next = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) or state.version + 1
  if next <= state.version then return 'stale' end
  if state.minima > most - kept then return 'refused' end
  state.read_settings((string.gsub(state.spec, '^%d+,%d+', ARGV[2] .. ',' .. ARGV[3])))
  state.version = next
  return 'done'
end

function handlers.share()
  local min, max, priority = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local group = groups.of(ARGV[2], 0, NO_MAX, 0, 0)
  local next = tonumber(ARGV[6]) or group.version + 1
  if next <= group.version then return 'stale' end
  if state.minima - group.min + min > state.capacity - state.headroom then return 'refused' end
  groups.set_share(group, min, max, priority)
  group.version = next
  return 'done'
end

local word = handlers[kind]()
if not word then
  state.version, word = state.version + 1, 'done'
end
return state.done({ 'done', word })
