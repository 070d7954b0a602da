import { availableParallelism } from 'node:os';
import type { Arguments } from './arguments.ts';
import { Faults } from './faults.ts';
import { Phase, type PhaseParts } from './phase.ts';
import type { LeasePlan } from './plan.ts';
import type { DemoResult, FaultPhaseResult } from './result.ts';
import type { Screen } from './screen.ts';
import { SlotWatch } from './slot-watch.ts';
import type { Stage } from './stage.ts';
import type { PhaseResult } from './tally.ts';

/** Of the time that is left after the start. */
const PARTS = { naive: 0.22, leasehold: 0.33, faults: 0.45 } as const;
/** For what lies between the phases, and for the end. */
const RESERVE_MS = 3_000;
/** The last one has to fit a freeze. */
const SHORTEST_MS = { naive: 3_000, leasehold: 3_000, faults: 7_000 } as const;

/**
 * Invocations a second of the whole fleet, bursts apart: well within the capacity, and within what the machine can do (an
 * invocation that has to connect costs 15 to 20 ms of processor time, at the client and the server together).
 */
const RATE = { perConnection: 25, perCore: 35, max: 180 } as const;

/** For environments that are called now and then: what one has used for 10 ms is at once another's, if that one waits. */
const INTERMITTENT = { protectMs: 2_000, quantumMs: 0 } as const;
/** The same, so short that faults are outlived within seconds. */
const SHORT = { protectMs: 1_500, idleMs: 1_500, quantumMs: 0 } as const;
/** What the pool makes of `SHORT.protectMs`: 0.4 of it. */
const CONNECT_TIMEOUT_MS = 600;
/** Below the connect bound (connect timeout + 1 s): a frozen half-made login is no connection any more when it thaws. */
const AUTHENTICATION_TIMEOUT_S = 1;

interface Programme {
  readonly stage: Stage;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly arguments: Arguments;
}

/** The three phases, one after the other, in what is left of the time. */
export const perform = async (programme: Programme): Promise<Omit<DemoResult, 'seconds'>> => {
  const { stage } = programme;
  const { capacity, environments, seconds } = programme.arguments;
  const leftMs = seconds * 1_000 - performance.now() - RESERVE_MS;
  const msOf = (phase: keyof typeof PARTS): number => Math.max(SHORTEST_MS[phase], leftMs * PARTS[phase]);
  const naive = await performNaive(programme, msOf('naive'));
  const leasehold = await performLeased(programme, msOf('leasehold'));
  const faults = await performFaults(programme, msOf('faults'));
  return {
    database: stage.title,
    registry: stage.address.kind,
    capacity,
    environments,
    naive,
    leasehold,
    faults,
  };
};

const rateFor = (capacity: number): number => {
  // The headroom is for revocations.
  const usable = Math.max(1, capacity - Math.ceil(capacity / 10));
  return Math.min(RATE.max, RATE.perCore * availableParallelism(), RATE.perConnection * usable);
};

const partsOf = (
  { stage, screen, signal, arguments: { capacity, environments } }: Programme,
  role: string,
  totalMs: number,
  heading: string,
  sentence: string,
): PhaseParts => ({
  stage,
  screen,
  signal,
  role,
  scene: { heading, sentence, capacity, totalMs },
  periodMs: (1_000 * environments) / rateFor(capacity),
});

const performNaive = (programme: Programme, totalMs: number): Promise<PhaseResult> => {
  const { environments, capacity } = programme.arguments;
  const sentence = `${environments} environments, each with a client of its own, on a database that allows ${capacity} connections.`;
  return new Phase(partsOf(programme, 'naive', totalMs, '1 of 3  NAIVE', sentence)).run();
};

const performLeased = (programme: Programme, totalMs: number): Promise<PhaseResult> => {
  const { capacity } = programme.arguments;
  const sentence = 'The same load and the same limit; an environment connects only when it holds a lease.';
  const leases: LeasePlan = { resource: 'orders', capacity, ...INTERMITTENT };
  const parts = partsOf(programme, 'leased', totalMs, '2 of 3  WITH LEASEHOLD', sentence);
  return new Phase({ ...parts, leases }).run();
};

const performFaults = async (programme: Programme, totalMs: number): Promise<FaultPhaseResult> => {
  const {
    stage,
    signal,
    arguments: { capacity },
  } = programme;
  await stage.judge.setAuthenticationTimeout(AUTHENTICATION_TIMEOUT_S);
  const sentence =
    'The same again, while whole processes are killed, and frozen for longer than their leases last.';
  const leases: LeasePlan = { resource: 'orders-faults', capacity, ...SHORT };
  const slots = new SlotWatch();
  const parts = partsOf(programme, 'faulty', totalMs, '3 of 3  WITH LEASEHOLD AND FAULTS', sentence);
  const phase = new Phase({ ...parts, leases, slots });
  const faults = new Faults({
    ...{ fleet: stage.fleet, judge: stage.judge, slots, signal, totalMs },
    deadlinesMs: SHORT.protectMs + SHORT.idleMs,
    employ: (member) => phase.employ(member),
    say: (text) => phase.note(text),
  });
  const result = await phase.run(() => faults.run());
  return {
    ...result,
    ...(await faults.judge()),
    slotsBack: slots.freed,
    longestSlotMs: slots.longestMs,
    slotBoundMs: SHORT.protectMs + CONNECT_TIMEOUT_MS,
  };
};
