/** Bounds of single steps (law L11). They are part of the protocol: the Lua scripts carry the same numbers (parts/keys.lua), and a test compares them. */
export const LIMITS = {
  /** Entries that one operation reaps before it does its own work: expired leases, and tickets whose caller went silent. */
  reapMax: 16,
  /** Entries a batch, a page or a probe's duties may have. Redis refuses to unpack 8,000, ElastiCache Serverless takes 3,999 arguments. */
  pageMax: 100,
  /** Duties that ride on one grant or one renewal. */
  dutiesPerReply: 2,
  /** Ranks whose `retryAfterMs` names the very moment at which a lease becomes revocable for them. */
  hintRanks: 8,
  /** The slowest poll, in ms; so also the largest `retryAfterMs` of a queued caller. */
  pollMaxMs: 500,
  /** The fleet's renewals per second that `renewAfterMs` aims below while somebody waits. */
  renewalsPerSecond: 1_000,
  /** Delay before the second probe, in ms; doubled after each refusal. */
  probeDelayMs: 1_000,
  /** Longest delay between probes, in ms. */
  probeDelayMaxMs: 60_000,
  /** Slots that one operation offers to waiters. */
  offersMax: 16,
  /** Groups with a record of their own; the rest share one. */
  groupsMax: 64,
  /** Unprotected leases that are looked at for one that shares allow to revoke. */
  victimsMax: 100,
  /** The longest that a granted connect is put off for the connect rate, in ms. */
  connectAfterMaxMs: 5_000,
  /** What a connect that was put off takes, with the answers on their way, as far as the registry is concerned, in ms: nobody is granted one who gives up before. */
  connectMs: 100,
  /** A holder starts a connect no later than this after it sent the ask that was granted (or after it may start), in ms: the quiet time of a census counts on it, whatever freezes. */
  connectStartMs: 1_000,
  /** Failing connects are remembered this long, in ms. */
  breakerWindowMs: 10_000,
  /** Holders (or, where nothing is held, failures) after which the breaker opens. */
  breakerFailures: 3,
  /** Failing connects that are remembered. */
  breakerMemory: 8,
  /** Grants that a half-open breaker lets try at once. */
  breakerProbes: 2,
  /** How long the breaker stays open first, in ms, and at most; doubled each time. */
  breakerOpenMs: 500,
  breakerOpenMaxMs: 15_000,
  /** The same where logins were refused: trying them in haste locks accounts, and mends nothing. */
  breakerAuthMs: 2_000,
  breakerAuthMaxMs: 60_000,
  /** How long a census may take before somebody else is asked, in ms. */
  censusDutyMs: 5_000,
  /** Leases that were given back while learning, kept so that a census does not adopt them. */
  farewellsMax: 1_000,
  /** After a primary that was exchanged, not promoted, the registry does not forget again for so long, in ms: it may be a proxy that asks any server. */
  distrustMs: 60_000,
} as const;

/** 2026-01-01T00:00:00Z. Fences and stamps count from here, so that they stay far below 2^53. */
export const EPOCH_MS = 1_767_225_600_000;
/** Fences a millisecond. */
export const FENCES_PER_MS = 1_024;
/** Order stamps a millisecond. */
export const STAMPS_PER_MS = 8;
/** Version of the state's layout; kept in the settings key (law L14). */
export const SCHEMA = 2;
