-- The short way of a renewal.
local loaded = call('HMGET', STATE, 'schema', ' pulse', ' rest', ' spec')
local at = clock()
