/**
 * Commands that ElastiCache Serverless has, as far as they are used here: AWS, "Supported and restricted Valkey, Memcached, and
 * Redis OSS commands". Whoever adds one looks there first. What is NOT there, and often used by clients: CLIENT INFO, ID, LIST and
 * TRACKING, CONFIG, FUNCTION, KEYS, MEMORY, MONITOR, PSUBSCRIBE, SLOWLOG, SWAPDB, WAIT, WATCH.
 */
export const SERVERLESS_COMMANDS: ReadonlySet<string> = new Set([
  ...[
    'AUTH',
    'HELLO',
    'PING',
    'CLUSTER SLOTS',
    'CLUSTER SHARDS',
    'CLUSTER NODES',
    'CLUSTER MYID',
    'INFO',
    'TIME',
  ],
  ...['EVAL', 'EVALSHA', 'SUBSCRIBE', 'UNSUBSCRIBE', 'PUBLISH'],
  ...['DEL', 'EXISTS', 'PEXPIREAT', 'PTTL', 'SET', 'GET'],
  ...['HDEL', 'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HSET'],
  ...['ZADD', 'ZCARD', 'ZCOUNT', 'ZRANGE', 'ZRANGEBYSCORE', 'ZREM', 'ZREMRANGEBYSCORE', 'ZSCORE'],
]);

/** "Clients cannot issue a request with more than 3,999 arguments" (AWS, "Valkey and Redis OSS configuration and limits"). */
export const SERVERLESS_ARGUMENTS_MAX = 3_999;

/** As scripts call them, and refused there by some services: nothing may depend on their answer. */
export const REFUSED_IN_SCRIPTS: readonly string[] = ['TIME', 'INFO', 'CLUSTER NODES', 'CLUSTER MYID'];
