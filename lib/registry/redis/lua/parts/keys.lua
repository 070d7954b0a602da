-- The names of the keys, the limits and the layouts. All keys of a resource share one hash tag (law L14).
--
-- KEYS[1] state  hash: the fields below, and each lease by its id (held and revoking alike)
-- KEYS[2] times  sorted set of all that has an order, in bands of scores
-- KEYS[3] clock  see clock.lua
--
-- Fields of the state. A name with a space in it is none that a lease could have.
--   schema        version of this layout, readable by all others
--   ' pulse'      what the short ways change, ' calm' what else they read; ' rest' every other number;
--                 see state.lua. Redis is quicker with arguments of at most 64 bytes
--   ' spec'       the settings as text
--   ' names'      the groups that have a record, each in a field ' g' and its name
--   ' t' and id   a ticket
--   ' breaker'    failing connects and trials
--   ' census'     the lease that the census was given to
--   ' farewells'  leases given back while learning
--   ' primary'    who answered when somebody last looked; see identify.lua
--
-- Bands: held leases by the end of their protection, revoking ones by the moment their duty can be taken, claimed tickets by
-- the end of their claim, tickets (as two spaces and the id) by the end of their liveness; and tickets without a claim (as one
-- space and the id) by their group's place and their order stamp. A place takes stamps until 2095.
local STATE, TIMES = KEYS[1], KEYS[2]
local HELD, REVOKING, CLAIMED, ALIVE, FOREVER = 0, 8796093022208, 17592186044416, 26388279066624, 8796093022207
local QUEUE, PLACE = 1125899906842624, 17592186044416
local SCHEMA, LAYOUT = 2, '2'
local EPOCH, FENCES, STAMPS = 1767225600000, 1024, 8
local REAP, PAGE, DUTIES, HINTS, OFFERS, GROUPS, VICTIMS = 16, 100, 2, 8, 16, 64, 100
local POLL, RENEWALS, PROBE, PROBE_MAX = 500, 1000, 1000, 60000
local CONNECT_START, CONNECT_AFTER_MAX, CENSUS_DUTY, FAREWELLS_MAX = 1000, 5000, 5000, 1000
local DISTRUST, CONNECT = 60000, 100
local WINDOW, FAILURES, MEMORY, TRIALS = 10000, 3, 8, 2
local OPEN_FOR, OPEN_FOR_MAX, AUTH_FOR, AUTH_FOR_MAX = 500, 15000, 2000, 60000
-- Layouts. A lease: fence, turn, granted at; probe, flag, loss; holder, group, session ('-': none). A revoking one goes on:
-- revoked at, look at, end at.
local PULSE, CALM, REST = '<dddddd', '<ddddd', '<dddddddddddddddddddddddddddddddddddd'
local LEASE, LEASE_END, GROUP, TICKET = '<dddBBBsss', '<ddd', '<dddddddd', '<dBBBss'
local OTHERS, NO_MAX = '~', 1000000000
local call = redis.call
