-- Reads the state, for a script that has no shorter way.
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec')
local at = clock()
