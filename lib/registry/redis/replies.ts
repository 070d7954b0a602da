import { LeaseholdError } from '../../core/errors.ts';
import {
  type DenialReason,
  decodeSettings,
  type LossReason,
  type ResourceSettings,
} from '../../core/lease.ts';
import type {
  ConfigureReply,
  Duty,
  GrantReply,
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
const DENIALS = ['FULL', 'QUEUE_FULL', 'LEARNING'] as const satisfies readonly DenialReason[];

const duty = (item: Reply): Duty => ({
  lease: { id: item.word(), fence: item.number() },
  session: item.session(),
  lookAfterMs: item.number(),
});

const weather = (reply: Reply): { pressure: boolean; settingsDiffer?: boolean } => {
  const pressure = reply.flag();
  return reply.flag() ? { pressure, settingsDiffer: true } : { pressure };
};

export const readGrant = (value: unknown): GrantReply => {
  const reply = open(value);
  switch (reply.oneOf('granted', 'queued', 'denied', 'lost')) {
    case 'granted': {
      const granted = {
        kind: 'granted',
        fence: reply.number(),
        protectMs: reply.number(),
        idleMs: reply.number(),
        connectAfterMs: reply.number(),
        renewAfterMs: reply.number(),
        dutyMs: reply.number(),
        isProbe: reply.flag(),
        ...weather(reply),
      } as const;
      return { ...granted, duties: reply.list(duty) };
    }
    case 'queued':
      return {
        kind: 'queued',
        position: reply.number(),
        stamp: reply.number(),
        retryAfterMs: reply.number(),
        ...weather(reply),
      };
    case 'denied':
      return { kind: 'denied', reason: reply.oneOf(...DENIALS), retryAfterMs: reply.number() };
    case 'lost':
      return { kind: 'lost', reason: reply.oneOf(...LOSSES) };
  }
};

const renewOutcome = (item: Reply): RenewOutcome =>
  item.oneOf('held', 'lost') === 'held'
    ? { kind: 'held', protectMs: item.number(), yield: item.flag() }
    : { kind: 'lost', reason: item.oneOf(...LOSSES) };

export const readRenew = (value: unknown, count: number): RenewReply => {
  const reply = open(value);
  reply.oneOf('renewed');
  return {
    pressure: reply.flag(),
    renewAfterMs: reply.number(),
    dutyMs: reply.number(),
    outcomes: reply.list(renewOutcome, count),
    duties: reply.list(duty),
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
  return { pressure: reply.flag(), outcomes: reply.list(parkOutcome, count) };
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
    entries: reply.list(entry),
  };
};
