/** A lease as its holder names it. Safety rests on the unique id; the fence only rises. */
export interface LeaseRef {
  readonly id: string;
  readonly fence: number;
}

/** Why a holder lost its lease. `unknown`: the registry never heard of it, or has forgotten it. */
export type LossReason = 'revoked' | 'expired' | 'abandoned' | 'unknown';

/** Why the registry refuses. */
export type DenialReason =
  /** Every connection is taken, and the caller did not want to wait. */
  | 'FULL'
  /** More callers wait than `waitersMax`. */
  | 'QUEUE_FULL'
  /** The registry has no memory yet (law L13). */
  | 'LEARNING'
  /** An operator has paused the resource. */
  | 'PAUSED'
  /** An operator empties the resource. */
  | 'DRAINING'
  /** The fleet-wide breaker is open: connects have failed for several holders. */
  | 'BREAKER'
  /** The database's connect rate is used up for longer than a connect may be put off. */
  | 'RATE'
  /** Every grant is forbidden, or its connect put off, until after the caller's deadline; `because` says why. */
  | 'DEADLINE_NEAR';

/** Why the registry grants nothing to anybody for now. */
export type Forbidden = Extract<DenialReason, 'LEARNING' | 'PAUSED' | 'DRAINING' | 'BREAKER' | 'RATE'>;

/** How the connection of a lease came to its end, for the probe's delay, the breaker and the metrics. */
export type LeaseOutcome =
  /** Opened, used, and seen to end. */
  | 'closed'
  /** Never tried to open. */
  | 'unused'
  /** The server said no: it has no connection left, is starting, or nobody listens there. */
  | 'refused'
  /** The server refused the login: wrong user, password or certificate. */
  | 'auth'
  /** The attempt got no answer in time, or the network cut it. */
  | 'unanswered'
  /** An open connection whose end was not seen. */
  | 'unseen';

/** What a group of consumers is entitled to. */
export interface Share {
  /** Connections the group is served with before anyone above theirs; nothing is held idle for it. */
  readonly min: number;
  /** Connections it never exceeds. */
  readonly max: number;
  /** Higher is served first, never by starving a minimum. */
  readonly priority: number;
}

/** The share of a group that nobody has given one. */
export const DEFAULT_SHARE: Share = { min: 0, max: 1_000_000_000, priority: 0 };

/**
 * What the whole fleet agrees on about one resource. The first grant or `configure` writes it; a different value in some
 * deploy's code is reported, never applied, `connectBoundMs` aside: that one may only rise, for it is a waiting time that
 * must cover the slowest holder.
 */
export interface ResourceSettings {
  readonly capacity: number;
  readonly headroom: number;
  readonly protectMs: number;
  readonly idleMs: number;
  readonly connectBoundMs: number;
  readonly quantumMs: number;
  readonly dutyMs: number;
  readonly ticketLivenessMs: number;
  readonly waitersMax: number;
  /** How long a freed slot stays reserved for the waiter it was offered to. */
  readonly claimMs: number;
  /** Connects the database takes a second, fleet-wide; 0: no limit. */
  readonly connectsPerSecond: number;
  /** Connects that may be made at once before the rate counts. */
  readonly connectBurst: number;
}

/** Order on the wire and in the registry; never changed, only appended to. */
export const SETTINGS_ORDER = [
  'capacity',
  'headroom',
  'protectMs',
  'idleMs',
  'connectBoundMs',
  'quantumMs',
  'dutyMs',
  'ticketLivenessMs',
  'waitersMax',
  'claimMs',
  'connectsPerSecond',
  'connectBurst',
] as const satisfies readonly (keyof ResourceSettings)[];

/** What an operator has changed, as the registry tells it and as holders bring it back to a registry that has lost its memory. */
export interface InForce {
  readonly settings: ResourceSettings;
  /** Raised with every operation; the highest wins. */
  readonly version: number;
  readonly control: Control;
  /** What is left of a pause, in ms; 0: until somebody resumes. */
  readonly pausedForMs: number;
}

/** How full the fleet is at the moment of a reply. */
export interface Fullness {
  /** What counts against the capacity: held and revoking leases; a slot that is only kept for a waiter does not. */
  readonly inUse: number;
  /** The capacity in force. In a debt more is in use than that. */
  readonly capacity: number;
}

export type Control = 'open' | 'paused' | 'draining';

export const encodeSettings = (settings: ResourceSettings): string =>
  SETTINGS_ORDER.map((name) => settings[name]).join(',');

export const decodeSettings = (text: string): ResourceSettings => {
  const values = text.split(',').map(Number);
  if (values.length !== SETTINGS_ORDER.length || values.some((value) => !Number.isSafeInteger(value))) {
    throw new RangeError(`Not the settings of a resource: ${JSON.stringify(text)}`);
  }
  return Object.fromEntries(
    SETTINGS_ORDER.map((name, at) => [name, values[at]]),
  ) as unknown as ResourceSettings;
};
