-- Who answers: the node of a cluster ('-': none), the run, the history that its data belong to, and the one before its own
-- promotion (zeros: none). INFO costs some 3 microseconds a section; an empty answer: the service does not tell.
local function identify()
  local server, replication, node = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'replication'), redis.pcall('CLUSTER', 'MYID')
  if type(server) ~= 'string' or type(replication) ~= 'string' then return {} end
  local it = { node = type(node) == 'string' and node or '-', run = string.match(server, 'run_id:(%w+)'), role = string.match(replication, 'role:(%w+)'),
    history = string.match(replication, 'master_replid:(%w+)'), before = string.match(replication, 'master_replid2:(%w+)') }
  if not (it.run and it.history and it.before) then return {} end
  it.text = it.node .. ' ' .. it.run .. ' ' .. it.history
  return it
end
