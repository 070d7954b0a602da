import type { GroupReport, ReportEntry, ResourceReport, SweepSeen } from '../../core/report.ts';
import { CONTROLS, open, type Reply } from './reply.ts';

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

const sweep = (item: Reply): SweepSeen => {
  const agoMs = item.number();
  const isRunning = item.flag();
  const lookedAgoMs = item.optional((looked) => looked.number());
  return { agoMs, isRunning, ...(lookedAgoMs === undefined ? {} : { lookedAgoMs }) };
};

export const readReport = (value: unknown): ResourceReport | undefined => {
  const reply = open(value);
  if (reply.oneOf('state', 'unknown') === 'unknown') return undefined;
  const report = {
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
    pausedForMs: reply.number(),
    reconnectedAgoMs: reply.optional((item) => item.number()),
    breaker: reply.oneOf('closed', 'open', 'half-open'),
    groups: reply.list(group).toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    entries: reply.list(entry),
  };
  const seen = reply.optional(sweep);
  return { ...report, ...(seen && { sweep: seen }) };
};
