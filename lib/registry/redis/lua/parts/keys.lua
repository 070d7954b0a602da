-- The names of the keys, the limits and the layouts. All keys of a resource share one hash tag (law L14).
--
-- KEYS[1] state      hash: the fields below, and each lease by its id (held and revoking alike)
-- KEYS[2] held       sorted set: lease id by the end of its protection
-- KEYS[3] revoking   sorted set: lease id by the moment its duty can be taken
-- KEYS[4] queue      sorted set: ticket by its group's place and its order stamp; one with a claim by the claim's end, far below zero
-- KEYS[5] alive      sorted set: ticket by the end of its liveness
-- KEYS[6] tickets    hash: ticket to its record
-- KEYS[7] farewells  set: leases given back while learning
-- KEYS[8] clock      see clock.lua
--
-- Fields of the state. A name with a space in it is none that a lease could have.
--   schema     version of this layout, readable by all others
--   ' pulse'   what nearly every call changes; ' rest' everything else that is a number; see PULSE and REST in state.lua
--   ' spec'    the settings as text
--   ' names'   the groups that have a record, each in a field ' g' and its name
--   ' breaker' failing connects and trials; ' census' the lease that the census was given to
local STATE, HELD, REVOKING, QUEUE, ALIVE, TICKETS, FAREWELLS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local SCHEMA, LAYOUT = 2, '2'
local EPOCH, FENCES, STAMPS = 1767225600000, 1024, 8
local REAP, PAGE, DUTIES, HINTS, OFFERS, GROUPS, VICTIMS = 16, 100, 2, 8, 16, 64, 100
local POLL, RENEWALS, PROBE, PROBE_MAX = 500, 1000, 1000, 60000
local CONNECT_AFTER_MAX, CENSUS_DUTY, FAREWELLS_MAX = 5000, 5000, 1000
local WINDOW, FAILURES, MEMORY, TRIALS = 10000, 3, 8, 2
local OPEN_FOR, OPEN_FOR_MAX, AUTH_FOR, AUTH_FOR_MAX = 500, 15000, 2000, 60000
-- Layouts. A lease: fence, turn, granted at; probe, flag, loss; holder, group, session ('-': none). A revoking one goes on:
-- revoked at, look at, end at.
local PULSE, REST = '<ddddd', '<dddddddddddddddddddddddddddddddddddddddddd'
local LEASE, LEASE_END, GROUP, TICKET = '<dddBBBsss', '<ddd', '<ddddddddd', '<dBss'
local call = redis.call
