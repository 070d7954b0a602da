-- The server's clock in whole milliseconds. Where a service refuses TIME inside a script, the time to live of a sentinel
-- key that expires at one fixed moment tells the same clock.
-- KEYS[3]: the sentinel.
local function clock()
  local time = redis.pcall('TIME')
  if not time.err then
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  local moment = 4102444800000
  local left = redis.call('PTTL', KEYS[3])
  if left < 0 then
    redis.call('SET', KEYS[3], '')
    redis.call('PEXPIREAT', KEYS[3], moment)
    left = redis.call('PTTL', KEYS[3])
  end
  return moment - left
end
