-- Compares who answers with who answered last; nearly always that is all there is to do.
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm', ' primary')
local at, primary, last = clock(), identify(), {}
if not primary.text then return { 'done', 'blind' } end
if primary.role ~= 'master' then return { 'done', 'replica' } end
last.node, last.run, last.history = string.match(loaded[4] or '', '^(%S+) (%S+) (%S+)$')

-- A slot that was moved on purpose has lost nothing: who had it is a primary still.
local function has_moved()
  if last.node == '-' or last.node == primary.node then return false end
  local nodes = redis.pcall('CLUSTER', 'NODES')
  local flags = type(nodes) == 'string' and string.match('\n' .. nodes, '\n' .. last.node .. ' %S+ (%S+)')
  return flags and string.find(flags, 'master', 1, true) and not string.find(flags, 'fail', 1, true)
end

-- A primary begins a new history, without a loss and without a former one, when its first replica comes.
local function is_trusted()
  if not last.run then return true end
  if last.run == primary.run then return last.history == primary.history or string.find(primary.before, '^0+$') end
  return last.history ~= primary.before and has_moved()
end

if not loaded[1] then return { 'done', 'known' } end
if loaded[1] == LAYOUT and is_trusted() then
  if primary.text ~= loaded[4] then call('HSET', STATE, ' primary', primary.text) end
  return { 'done', 'known' }
end
