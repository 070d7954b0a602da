import { LeaseholdError } from '../../core/errors.ts';
import {
  type Control,
  type DenialReason,
  decodeSettings,
  type Forbidden,
  type InForce,
  type LossReason,
  type ResourceSettings,
} from '../../core/lease.ts';
import { renewAfterMs } from '../../core/policy.ts';
import type {
  CensusDuty,
  ConfigureReply,
  Duty,
  GrantReply,
  GroupReport,
  ParkOutcome,
  ParkReply,
  RenewOutcome,
  RenewReply,
  ReportEntry,
  ResourceReport,
  SweepReply,
} from '../registry.ts';

/** Reads one array reply from left to right and trusts nothing about it. */
class Reply {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(value: unknown) {
    if (!Array.isArray(value)) throw unexpected(value);
    this.#values = value;
  }

  word(): string {
    const value = this.#next();
    if (typeof value !== 'string') throw unexpected(this.#values);
    return value;
  }

  /** One of `words`. */
  oneOf<Word extends string>(...words: readonly Word[]): Word {
    const value = this.word();
    const found = words.find((word) => word === value);
    if (found === undefined) throw unexpected(this.#values);
    return found;
  }

  /** Nothing that the registry says is negative or broken. */
  number(): number {
    const value = this.#next();
    if (!(Number.isSafeInteger(value) && (value as number) >= 0)) throw unexpected(this.#values);
    return value as number;
  }

  flag(): boolean {
    const value = this.number();
    if (value > 1) throw unexpected(this.#values);
    return value === 1;
  }

  settings(): ResourceSettings {
    const text = this.word();
    try {
      return decodeSettings(text);
    } catch {
      throw unexpected(this.#values);
    }
  }

  session(): string | undefined {
    const value = this.word();
    return value === '-' ? undefined : value;
  }

  /** `count`: how many there must be, where the request says so. */
  list<Item>(read: (item: Reply) => Item, count?: number): Item[] {
    const value = this.#next();
    if (!Array.isArray(value) || value.length !== (count ?? value.length)) throw unexpected(this.#values);
    return value.map((item) => read(new Reply(item)));
  }

  /** An empty list stands for nothing. */
  optional<Value>(read: (item: Reply) => Value): Value | undefined {
    const value = this.#next();
    if (!Array.isArray(value)) throw unexpected(this.#values);
    return value.length === 0 ? undefined : read(new Reply(value));
  }

  #next(): unknown {
    const value = this.#values[this.#at];
    this.#at += 1;
    return value;
  }
}

const SHOWN_CHARACTERS = 200;

const unexpected = (value: unknown): LeaseholdError =>
  new LeaseholdError(
    'REGISTRY_INCOMPATIBLE',
    `Not a reply of the lease registry: ${JSON.stringify(value)?.slice(0, SHOWN_CHARACTERS)}`,
  );

/** Opens a reply; a newer owner of the resource is told from an answer here, for every script alike (law L14). */
const open = (value: unknown): Reply => {
  if (Array.isArray(value) && value[0] === 'upgrade') {
    throw new LeaseholdError(
      'REGISTRY_INCOMPATIBLE',
      `The resource is kept by a newer version of leasehold (schema ${String(value[1])}): upgrade this one.`,
    );
  }
  return new Reply(value);
};

const LOSSES = ['revoked', 'expired', 'abandoned', 'unknown'] as const satisfies readonly LossReason[];
const FORBIDDEN = [
  'LEARNING',
  'PAUSED',
  'DRAINING',
  'BREAKER',
  'RATE',
] as const satisfies readonly Forbidden[];
const DENIALS = [
  'FULL',
  'QUEUE_FULL',
  'DEADLINE_NEAR',
  ...FORBIDDEN,
] as const satisfies readonly DenialReason[];
const CONTROLS = ['open', 'paused', 'draining'] as const satisfies readonly Control[];

const duty = (item: Reply): Duty => ({
  lease: { id: item.word(), fence: item.number() },
  session: item.session(),
  lookAfterMs: item.number(),
});

const inForceOf = (item: Reply): InForce => ({
  settings: item.settings(),
  version: item.number(),
  control: item.oneOf(...CONTROLS),
  pausedForMs: item.number(),
});

const because = (reply: Reply): { because?: Forbidden } => {
  const word = reply.oneOf('-', ...FORBIDDEN);
  return word === '-' ? {} : { because: word };
};

const inForce = (reply: Reply): { inForce?: InForce } => {
  const value = reply.optional(inForceOf);
  return value === undefined ? {} : { inForce: value };
};

const census = (reply: Reply): { census?: CensusDuty } => {
  const value = reply.optional((item) => ({ epoch: item.number(), token: item.number() }));
  return value === undefined ? {} : { census: value };
};

const settingsDiffer = (reply: Reply): { settingsDiffer?: true } =>
  reply.flag() ? { settingsDiffer: true } : {};

/** `settings`: the caller's own. A bare fence says that the registry's are the same; it is negative under pressure. */
export const readGrant = (value: unknown, settings: ResourceSettings): GrantReply => {
  if (typeof value === 'number') return plainGrant(value, settings);
  const reply = open(value);
  switch (reply.oneOf('granted', 'queued', 'denied', 'lost')) {
    case 'granted':
      return readGranted(reply);
    case 'queued':
      return {
        kind: 'queued',
        position: reply.number(),
        stamp: reply.number(),
        retryAfterMs: reply.number(),
        ...because(reply),
        pressure: reply.flag(),
        ...settingsDiffer(reply),
        ...inForce(reply),
      };
    case 'denied':
      return {
        kind: 'denied',
        reason: reply.oneOf(...DENIALS),
        retryAfterMs: reply.number(),
        ...because(reply),
      };
    case 'lost':
      return { kind: 'lost', reason: reply.oneOf(...LOSSES) };
  }
};

const plainGrant = (value: number, settings: ResourceSettings): GrantReply => {
  if (!Number.isSafeInteger(value) || value === 0) throw unexpected(value);
  const { protectMs, idleMs, dutyMs } = settings;
  return {
    kind: 'granted',
    fence: Math.abs(value),
    protectMs,
    idleMs,
    connectAfterMs: 0,
    renewAfterMs: renewAfterMs(settings, 0, 0),
    dutyMs,
    isProbe: false,
    duties: [],
    pressure: value < 0,
  };
};

const readGranted = (reply: Reply): GrantReply => ({
  kind: 'granted',
  fence: reply.number(),
  protectMs: reply.number(),
  idleMs: reply.number(),
  connectAfterMs: reply.number(),
  renewAfterMs: reply.number(),
  dutyMs: reply.number(),
  isProbe: reply.flag(),
  pressure: reply.flag(),
  ...settingsDiffer(reply),
  duties: reply.list(duty),
  ...inForce(reply),
  ...census(reply),
});

const renewOutcome = (item: Reply): RenewOutcome => {
  const kind = item.oneOf('held', 'forgotten', 'lost');
  if (kind === 'held') return { kind, protectMs: item.number(), yield: item.flag() };
  return kind === 'lost' ? { kind, reason: item.oneOf(...LOSSES) } : { kind };
};

export const readRenew = (value: unknown, count: number): RenewReply => {
  const reply = open(value);
  reply.oneOf('renewed');
  return {
    pressure: reply.flag(),
    renewAfterMs: reply.number(),
    dutyMs: reply.number(),
    outcomes: reply.list(renewOutcome, count),
    duties: reply.list(duty),
    ...inForce(reply),
    ...census(reply),
  };
};

const parkOutcome = (item: Reply): ParkOutcome => {
  const kind = item.oneOf('parked', 'yield', 'held', 'lost');
  if (kind === 'held') return { kind, protectMs: item.number() };
  if (kind === 'lost') return { kind, reason: item.oneOf(...LOSSES) };
  return { kind };
};

export const readPark = (value: unknown, count: number): ParkReply => {
  const reply = open(value);
  reply.oneOf('parked');
  return { pressure: reply.flag(), outcomes: reply.list(parkOutcome, count), ...inForce(reply) };
};

/** One lease that was released needs no list. */
export const readRelease = (value: unknown, count: number): ('released' | 'unknown')[] =>
  value === 'released' && count === 1 ? [value] : readWords(value, count, 'released', 'unknown');

/** A reply of one word. */
export const readWord = <Word extends string>(value: unknown, ...words: readonly Word[]): Word => {
  const reply = open(value);
  reply.oneOf('done');
  return reply.oneOf(...words);
};

/** A reply of one word for each of `count` items. */
export const readWords = <Word extends string>(
  value: unknown,
  count: number,
  ...words: readonly Word[]
): Word[] => {
  const reply = open(value);
  reply.oneOf('done');
  return Array.from({ length: count }, () => reply.oneOf(...words));
};

export const readSweep = (value: unknown): SweepReply => {
  const reply = open(value);
  reply.oneOf('swept');
  return {
    expired: reply.number(),
    held: reply.number(),
    revoking: reply.number(),
    dutyMs: reply.number(),
    duties: reply.list(duty),
    ...census(reply),
  };
};

export const readConfigure = (value: unknown): ConfigureReply => {
  const reply = open(value);
  return {
    kind: reply.oneOf('created', 'exists'),
    settings: reply.settings(),
    learningMs: reply.number(),
  };
};

const entry = (item: Reply): ReportEntry => ({
  lease: { id: item.word(), fence: item.number() },
  state: item.oneOf('protected', 'revocable', 'revoking'),
  holder: item.word(),
  group: item.word(),
  session: item.session(),
  isProbe: item.flag(),
});

const group = (item: Reply): GroupReport => ({
  name: item.word(),
  min: item.number(),
  max: item.number(),
  priority: item.number(),
  taken: item.number(),
  waiting: item.number(),
});

export const readReport = (value: unknown): ResourceReport | undefined => {
  const reply = open(value);
  if (reply.oneOf('state', 'unknown') === 'unknown') return undefined;
  return {
    settings: reply.settings(),
    held: reply.number(),
    protectedCount: reply.number(),
    revoking: reply.number(),
    waiters: reply.number(),
    flagged: reply.number(),
    learningMs: reply.number(),
    claims: reply.number(),
    debt: reply.number(),
    foreign: reply.number(),
    epoch: reply.number(),
    version: reply.number(),
    control: reply.oneOf(...CONTROLS),
    breaker: reply.oneOf('closed', 'open', 'half-open'),
    groups: reply.list(group).toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    entries: reply.list(entry),
  };
};
