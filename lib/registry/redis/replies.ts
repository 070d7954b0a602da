import type { CensusDuty, Duty } from '../../core/duty.ts';
import type {
  DenialReason,
  Forbidden,
  Fullness,
  InForce,
  LossReason,
  ResourceSettings,
} from '../../core/lease.ts';
import { renewAfterMs } from '../../core/policy.ts';
import type {
  ConfigureReply,
  GrantReply,
  ParkOutcome,
  ParkReply,
  RenewOutcome,
  RenewReply,
  SweepReply,
} from '../registry.ts';
import { CONTROLS, open, type Reply, unexpected } from './reply.ts';

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

const fullness = (reply: Reply): Fullness => ({ inUse: reply.number(), capacity: reply.number() });

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
        ...fullness(reply),
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
        ...fullness(reply),
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
  return {
    isElected: reply.oneOf('swept', 'refused') === 'swept',
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
