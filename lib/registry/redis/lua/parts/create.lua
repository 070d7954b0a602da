-- A resource without memory.
function state.create(text)
  state.known, state.now, state.clockAt = true, at, at
  call('HSET', STATE, 'schema', SCHEMA, ' primary', identify().text or '')
  state.read_settings(text)
  state.learn()
end
