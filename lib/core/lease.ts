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
  | 'LEARNING';

/** How the connection of a lease came to its end, for the probe's delay and the metrics. */
export type LeaseOutcome =
  /** Opened, used, and seen to end. */
  | 'closed'
  /** Never tried to open. */
  | 'unused'
  /** The server said no. */
  | 'refused'
  /** Its end was not seen. */
  | 'unseen';

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
] as const satisfies readonly (keyof ResourceSettings)[];

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
