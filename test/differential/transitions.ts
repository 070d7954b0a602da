import type { OperateReply } from '../../lib/core/operation.ts';
import type { ReportEntry, ResourceReport } from '../../lib/core/report.ts';
import type { GrantReply, ParkReply, RenewReply, SweepReply } from '../../lib/registry/registry.ts';
import type { Aim } from './commands.ts';

/** Every transition and reply that a run must have met, or it has proven nothing about it. */
export const TRANSITIONS = [
  'grant room',
  'grant takeover',
  'grant revoke',
  'grant probe',
  'grant repeat',
  'grant to a poll',
  'grant past a ticket',
  'grant to an old stamp',
  'queued',
  'queued with an old stamp',
  'future stamp refused',
  'denied FULL',
  'denied QUEUE_FULL',
  'denied LEARNING',
  'settings differ',
  'connect bound raised',
  'grant lost revoked',
  'grant lost expired',
  'grant lost abandoned',
  'grant lost unknown',
  'renew held',
  'renew yield',
  'renew late',
  'renew lost',
  'renew with duties',
  'park parked',
  'park yield',
  'park held',
  'yield withheld',
  'park lost',
  'release held',
  'release revoking',
  'release ticket',
  'release fence 0',
  'release unknown',
  'probe refused',
  'abandon bound',
  'abandon unbound',
  'abandon late bind',
  'abandon unknown',
  'probe abandoned',
  'settle same server',
  'settle through a new lease',
  'settle unbound seen',
  'settle unbound after the bound',
  'kept another server',
  'kept too early',
  'kept cannot',
  'settle unknown',
  'vacated',
  'not vacated',
  'sweeper elected',
  'sweeper refused',
  'sweeper was at the database',
  'expired',
  'ticket reaped',
  'sweep with duties',
  'clock back',
  'woken',
  'denied PAUSED',
  'denied DRAINING',
  'denied BREAKER',
  'denied RATE',
  'denied DEADLINE_NEAR',
  'denied a connect that comes too late',
  'queued while forbidden',
  'in force told',
  'grant put off',
  'grant over a claim',
  'grant census',
  'grant on trial',
  'renew census',
  'sweep census',
  'renew forgotten',
  'renew registered',
  'restored',
  'taken over',
  'adopt adopted',
  'adopt refused',
  'adopt made leases',
  'learning ended by a census',
  'foreign sessions',
  'operate done',
  'operate stale',
  'operate refused',
  'operate unknown',
  'pause ended by itself',
  'breaker opened',
  'breaker closed',
  'debt made',
  'revoked for nobody',
  'claim expired',
] as const;

export type Transition = (typeof TRANSITIONS)[number];

interface Step {
  readonly aim: Aim;
  readonly reply: unknown;
  readonly before: ResourceReport | undefined;
  readonly after: ResourceReport | undefined;
}

const entryIn = (report: ResourceReport | undefined, id: string): ReportEntry | undefined =>
  report?.entries.find(({ lease }) => lease.id === id);

const revokingIn = (report: ResourceReport | undefined): number => report?.revoking ?? 0;

/** What a step was, seen from outside. */
export const transitionsOf = (step: Step): Transition[] => [...ofKind(step), ...ofState(step)];

const ofKind = (step: Step): Transition[] => {
  const { aim } = step;
  switch (aim.kind) {
    case 'tick':
      return ofTick(aim.ms, step);
    case 'grant':
      return ofGrant(aim, step.reply as GrantReply, step);
    case 'renew':
      return ofRenew(aim, step.reply as RenewReply, step);
    case 'park':
      return ofPark(aim, step.reply as ParkReply, step);
    case 'release':
      return ofRelease(aim, step);
    case 'abandon':
      return ofAbandon(aim, step);
    case 'settle':
      return ofSettle(aim, step);
    case 'sweep':
      return [...ofSweep(step.reply as SweepReply), ...ofElection(aim, step)];
    case 'vacate':
      return [(step.reply as readonly string[])[0] === 'kept' ? 'vacated' : 'not vacated'];
    case 'operate':
      return ofOperate(aim.word, step);
    case 'adopt':
      return ofAdopt(aim, step);
    default:
      return [];
  }
};

/** What changed, whatever the step was. */
const ofState = ({ reply, before, after }: Step): Transition[] => {
  if (before === undefined || after === undefined) return [];
  const is: Transition[] = [];
  if (typeof reply === 'object' && reply !== null && 'inForce' in reply) is.push('in force told');
  if (before.breaker === 'closed' && after.breaker === 'open') is.push('breaker opened');
  if (before.breaker !== 'closed' && after.breaker === 'closed') is.push('breaker closed');
  if (after.debt > before.debt) is.push('debt made');
  const wasNobodys = new Set(
    before.entries.filter(({ holder }) => holder === '?').map(({ lease }) => lease.id),
  );
  if (after.entries.some(({ lease, holder }) => wasNobodys.has(lease.id) && holder !== '?'))
    is.push('taken over');
  return is;
};

const ofSweep = ({ duties, census }: SweepReply): Transition[] => [
  ...(duties.length > 0 ? (['sweep with duties'] as const) : []),
  ...(census === undefined ? [] : (['sweep census'] as const)),
];

const ofAdopt = (aim: Aim & { kind: 'adopt' }, { reply, before, after }: Step): Transition[] => {
  if (reply !== 'adopted') return ['adopt refused'];
  const wasLearning = (before?.learningMs ?? 0) > 0;
  return [
    'adopt adopted',
    ...((after?.held ?? 0) > (before?.held ?? 0) ? (['adopt made leases'] as const) : []),
    ...(aim.isLast && wasLearning ? (['learning ended by a census'] as const) : []),
    ...((after?.foreign ?? 0) > 0 ? (['foreign sessions'] as const) : []),
  ];
};

const ofTick = (ms: number, { before, after }: Step): Transition[] => [
  ...(ms < 0 ? (['clock back'] as const) : []),
  ...(revokingIn(after) > revokingIn(before)
    ? [isEmptying(after) ? ('revoked for nobody' as const) : ('expired' as const)]
    : []),
  ...(before?.control === 'paused' && after?.control === 'open' ? (['pause ended by itself'] as const) : []),
  ...((after?.claims ?? 0) < (before?.claims ?? 0) && after?.waiters === before?.waiters
    ? (['claim expired'] as const)
    : []),
  ...((after?.waiters ?? 0) < (before?.waiters ?? 0) ? (['ticket reaped'] as const) : []),
];

/** While a drain or a debt lasts, what is not protected is revoked for nobody. */
const isEmptying = (report: ResourceReport | undefined): boolean =>
  report !== undefined && (report.control === 'draining' || report.debt > 0);

const ofGrant = (aim: Aim & { kind: 'grant' }, reply: GrantReply, { before, after }: Step): Transition[] => {
  const more: Transition[] = [];
  if ('settingsDiffer' in reply) more.push('settings differ');
  const bound = before?.settings.connectBoundMs ?? Number.POSITIVE_INFINITY;
  if ((after?.settings.connectBoundMs ?? 0) > bound) more.push('connect bound raised');
  if (reply.kind === 'denied') {
    const isLate = reply.reason === 'DEADLINE_NEAR' && reply.because === 'RATE';
    if (isLate) more.push('denied a connect that comes too late');
    return [...more, `denied ${reply.reason}`];
  }
  if (reply.kind === 'lost') return [`grant lost ${reply.reason}`];
  const wasTicket = (before?.waiters ?? 0) - (after?.waiters ?? 0) === 1;
  if (reply.kind === 'queued') {
    const isNew = (after?.waiters ?? 0) > (before?.waiters ?? 0);
    if (isNew && reply.stamp < aim.stamp) more.push('future stamp refused');
    if (isNew && reply.stamp === aim.stamp) more.push('queued with an old stamp');
    if (reply.because !== undefined) more.push('queued while forbidden');
    return [...more, 'queued'];
  }
  if (entryIn(before, aim.id) !== undefined) return [...more, 'grant repeat'];
  if (wasTicket) more.push('grant to a poll');
  if (wasTicket && reply.duties.length === 0 && (after?.waiters ?? 0) > 0) more.push('grant past a ticket');
  if (!wasTicket && aim.stamp > 0 && aim.stamp < 2 ** 50 && (before?.waiters ?? 0) > 0)
    more.push('grant to an old stamp');
  if (reply.connectAfterMs > 0) more.push('grant put off');
  if (before?.breaker === 'half-open') more.push('grant on trial');
  if (reply.census !== undefined) return [...more, 'grant census'];
  if ((before?.claims ?? 0) > (after?.claims ?? 0)) more.push('grant over a claim');
  return [...more, howGranted(reply, before, after)];
};

const howGranted = (
  reply: GrantReply & { kind: 'granted' },
  before: ResourceReport | undefined,
  after: ResourceReport | undefined,
): Transition => {
  if (reply.isProbe) return 'grant probe';
  if (revokingIn(after) > revokingIn(before)) return 'grant revoke';
  if (before === undefined) return 'grant room';
  const { capacity, headroom } = before.settings;
  return before.held + before.revoking < capacity - headroom ? 'grant room' : 'grant takeover';
};

const ofRenew = (
  aim: Aim & { kind: 'renew' | 'park' },
  { outcomes, duties, census }: RenewReply,
  { before, after }: Step,
): Transition[] => {
  const [outcome] = outcomes;
  if (outcome?.kind === 'forgotten') return ['renew forgotten'];
  if (outcome?.kind !== 'held') return ['renew lost'];
  const isNew = before !== undefined && entryIn(before, aim.id) === undefined;
  return [
    'renew held',
    ...(isNew ? (['renew registered'] as const) : []),
    ...(census === undefined ? [] : (['renew census'] as const)),
    ...((after?.version ?? 0) > (before?.version ?? 0) ? (['restored'] as const) : []),
    ...(outcome.yield ? (['renew yield'] as const) : []),
    ...(aim.isLate ? (['renew late'] as const) : []),
    ...(duties.length > 0 ? (['renew with duties'] as const) : []),
  ];
};

const ofPark = (
  aim: Aim & { kind: 'renew' | 'park' },
  { outcomes }: ParkReply,
  { after }: Step,
): Transition[] => {
  const [outcome] = outcomes;
  if (outcome === undefined) return [];
  const isWithheld = outcome.kind === 'parked' && !aim.isLate && isFlaggedEnough(after);
  return [`park ${outcome.kind}`, ...(isWithheld ? (['yield withheld'] as const) : [])];
};

/** As many leases as somebody waits for have been told to yield, and there is a waiter. */
const isFlaggedEnough = (report: ResourceReport | undefined): boolean =>
  report !== undefined && report.waiters > 0 && report.flagged >= report.waiters;

const ofRelease = (aim: Aim & { kind: 'release' }, { reply, before }: Step): Transition[] => {
  if ((reply as readonly string[])[0] !== 'released') return ['release unknown'];
  const entry = entryIn(before, aim.id);
  if (entry === undefined) return ['release ticket'];
  return [
    entry.state === 'revoking' ? 'release revoking' : 'release held',
    ...(aim.fence === 0 ? (['release fence 0'] as const) : []),
    ...(entry.isProbe && aim.isRefused ? (['probe refused'] as const) : []),
  ];
};

const ofAbandon = (aim: Aim & { kind: 'abandon' }, { reply, before, after }: Step): Transition[] => {
  if ((reply as readonly string[])[0] !== 'abandoned') return ['abandon unknown'];
  const entry = entryIn(before, aim.id);
  const isBound = entryIn(after, aim.id)?.session !== undefined;
  if (entry?.state === 'revoking') return isBound && entry.session === undefined ? ['abandon late bind'] : [];
  const how = isBound ? 'abandon bound' : 'abandon unbound';
  return entry?.isProbe ? [how, 'probe abandoned'] : [how];
};

const ofOperate = (word: string, { reply, before, after }: Step): Transition[] => {
  if (word !== 'retire') return [`operate ${reply as OperateReply}`];
  const hasLooked = before?.sweep?.lookedAgoMs !== after?.sweep?.lookedAgoMs;
  return hasLooked ? ['sweeper was at the database'] : [];
};

const ofElection = ({ isElection }: Aim & { kind: 'sweep' }, { reply, after }: Step): Transition[] => {
  if (!isElection || after === undefined) return [];
  return [(reply as SweepReply).isElected ? 'sweeper elected' : 'sweeper refused'];
};

const ofSettle = (aim: Aim & { kind: 'settle' }, { reply, before }: Step): Transition[] => {
  const word = (reply as readonly string[])[0];
  if (word === 'unknown') return ['settle unknown'];
  const isBound = entryIn(before, aim.id)?.session !== undefined;
  if (word === 'kept')
    return [aim.isCannot ? 'kept cannot' : isBound ? 'kept another server' : 'kept too early'];
  if (isBound) return [aim.isSameServer ? 'settle same server' : 'settle through a new lease'];
  return [aim.seen ? 'settle unbound seen' : 'settle unbound after the bound'];
};
