/** The options that the defaults of others build on. */
type Given = Readonly<
  Record<
    'capacity' | 'headroom' | 'protectMs' | 'idleMs' | 'operationTimeoutMs' | 'connectsPerSecond',
    number
  >
>;

export interface NumberRule {
  readonly unit: 'ms' | 'connections' | 'callers' | 'uses';
  /** Computed from the options above it in the table; undefined: the option is required. */
  readonly default: number | ((given: Given) => number) | undefined;
  /** A computed default in words. */
  readonly defaultSays?: string;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** An idle connection is closed at this part of the server's own idle timeout at the latest, so that the server is never first. */
export const IDLE_PART = 0.8;

/** The one table of numeric options: it drives parsing, the docs and the tests. Order matters: defaults look upwards. */
export const NUMBER_OPTIONS = {
  capacity: {
    unit: 'connections',
    default: undefined,
    min: 1,
    max: 100_000,
    doc: 'Connections the whole fleet may have open on the resource, ever.',
  },
  headroom: {
    unit: 'connections',
    default: ({ capacity }) => (capacity === 1 ? 0 : Math.ceil(capacity / 10)),
    defaultSays: 'a tenth of capacity, rounded up; 0 for capacity 1',
    min: 0,
    max: 50_000,
    doc: 'Capacity kept back so that a revocation can overlap with its replacement; at most half the capacity. 0: a lost slot comes back only after protection, idle time and connect bound.',
  },
  protectMs: {
    unit: 'ms',
    default: 10_000,
    min: 1_000,
    max: 60_000,
    doc: 'How long a lease is safe without asking again; a dead holder blocks a wanted slot at most this long.',
  },
  idleMs: {
    unit: 'ms',
    default: ({ headroom, protectMs }) => (headroom === 0 ? protectMs : 300_000),
    defaultSays: '300,000; protectMs where headroom is 0',
    min: 1_000,
    max: HOUR_MS,
    doc: 'How long an unprotected lease, and an idle session at the server, live on. Also cuts a transaction that thinks longer than this.',
  },
  dangerMarginMs: {
    unit: 'ms',
    default: ({ protectMs }) => Math.max(100, Math.ceil(protectMs / 20)),
    defaultSays: 'a twentieth of protectMs, at least 100',
    min: 1,
    max: 20_000,
    doc: 'A lease counts as unprotected this long before its protection ends; below a third of protectMs.',
  },
  quantumMs: {
    unit: 'ms',
    default: ({ headroom }) => (headroom === 0 ? 0 : 200),
    defaultSays: '200; 0 where headroom is 0',
    min: 0,
    max: 2_000,
    doc: 'Back-to-back use a new holder is granted before it yields to waiters; 0 where headroom is 0.',
  },
  operationTimeoutMs: {
    unit: 'ms',
    default: 3_000,
    min: 10,
    max: 60_000,
    doc: 'Bound of a check, a reset, a close, and each statement of a duty; of an open where connectTimeoutMs is not given.',
  },
  connectTimeoutMs: {
    unit: 'ms',
    default: ({ protectMs, operationTimeoutMs }) =>
      Math.max(100, Math.min(3_000, operationTimeoutMs, Math.floor(protectMs * 0.4))),
    defaultSays: 'operationTimeoutMs, at most 3,000 and 0.4 x protectMs',
    min: 100,
    max: 30_000,
    doc: 'Bound of one connection attempt, login included; below half of protectMs.',
  },
  dutyMs: {
    unit: 'ms',
    default: 5_000,
    min: 100,
    max: 60_000,
    doc: 'How long a holder has to end a revoked session and prove it gone before somebody else is asked.',
  },
  ticketLivenessMs: {
    unit: 'ms',
    default: 1_500,
    min: 500,
    max: 60_000,
    doc: 'A waiter that has not polled for this long is passed over; three times the slowest poll.',
  },
  waitersMax: {
    unit: 'callers',
    default: 10_000,
    min: 1,
    max: 100_000,
    doc: 'Callers of the whole fleet that may wait in the registry.',
  },
  claimMs: {
    unit: 'ms',
    default: 1_000,
    min: 50,
    max: 60_000,
    doc: 'A freed slot is kept this long for the waiter that was woken for it; at least four round trips.',
  },
  connectsPerSecond: {
    unit: 'connections',
    default: 0,
    min: 0,
    max: 100_000,
    doc: 'New connections a second that the database takes from the whole fleet; 0: no limit. Aurora DSQL: 100.',
  },
  connectBurst: {
    unit: 'connections',
    default: ({ connectsPerSecond }) => Math.max(1, connectsPerSecond),
    defaultSays: 'one second of connectsPerSecond',
    min: 1,
    max: 100_000,
    doc: 'New connections that may be opened at once before connectsPerSecond counts. Aurora DSQL: 1,000.',
  },
  max: {
    unit: 'connections',
    default: 10,
    min: 1,
    max: 1_000,
    doc: 'Connections of this process. With an `env` that shows AWS Lambda, the default is 1; not so where AWS_LAMBDA_MAX_CONCURRENCY says that several invocations run at once.',
  },
  min: {
    unit: 'connections',
    default: 0,
    min: 0,
    max: 1_000,
    doc: 'Connections that this process keeps where the fleet has room: topped up by `warm()` and at the start of an invocation.',
  },
  acquireTimeoutMs: {
    unit: 'ms',
    default: 10_000,
    min: 1,
    max: HOUR_MS,
    doc: 'How long a caller waits for a connection unless it names its own deadline.',
  },
  localWaitersMax: {
    unit: 'callers',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Callers that may wait in this process.',
  },
  startupMaxWaitMs: {
    unit: 'ms',
    default: 600_000,
    min: 0,
    max: DAY_MS,
    doc: 'How long `warm()` waits for registry and database, with backoff; never past the deadline of an invocation.',
  },
  statementTimeoutMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: DAY_MS,
    doc: "The session's statement timeout, where the driver's own configuration sets none; 0: none.",
  },
  idleTimeoutMs: {
    unit: 'ms',
    default: ({ idleMs }) => Math.floor(IDLE_PART * idleMs),
    defaultSays: '0.8 x idleMs',
    min: 1,
    max: HOUR_MS,
    doc: 'A connection above `min` that nobody has used for so long is closed; at 0.8 x idleMs in any case.',
  },
  maxLifetimeMs: {
    unit: 'ms',
    default: 1_800_000,
    min: 0,
    max: 7 * DAY_MS,
    doc: 'A connection older than this, less a share of up to a quarter drawn for each, is closed when nobody has it; 0: no limit.',
  },
  maxUses: {
    unit: 'uses',
    default: 0,
    min: 0,
    max: 1_000_000_000,
    doc: 'A connection that has been lent so often is closed when it comes back; 0: no limit.',
  },
  checkAfterIdleMs: {
    unit: 'ms',
    default: 5_000,
    min: 0,
    max: HOUR_MS,
    doc: 'A connection unused for longer, or frozen since, is checked at the database before it is lent.',
  },
  healthCheckIntervalMs: {
    unit: 'ms',
    default: 30_000,
    min: 0,
    max: HOUR_MS,
    doc: 'How often idle connections are checked: by a timer, or on AWS Lambda at the start of an invocation; 0: never.',
  },
  leakAfterMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: HOUR_MS,
    doc: "A connection lent for longer is told of, with its borrower's stack; 0: no stacks are kept.",
  },
} as const satisfies Record<string, NumberRule>;

export type NumberOption = keyof typeof NUMBER_OPTIONS;
