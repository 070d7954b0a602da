-- Reads the state, for a script that has no shorter way.
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' calm')
local at = clock()
