import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ExecutionEnvironment } from '../local/execution-environment.ts';
import { type Answer, E2eService, REFUSAL } from './e2e-service.ts';

const CAPACITY = 10;
/** Three for each connection that there is. */
const ENVIRONMENTS = 30;
const REQUESTS = 200;
const KILLED_BUSY = 6;
const KILLED_FROZEN = 6;
const PROTECT_MS = 4_000;
const IDLE_MS = 4_000;
/** A small machine that does other things, on top of what the protocol promises. */
const SLACK_MS = 20_000;
const TIMEOUT_MS = 120_000;

let service: E2eService;

beforeAll(async () => {
  service = await E2eService.start({
    capacity: CAPACITY,
    environmentsMax: ENVIRONMENTS,
    protectMs: PROTECT_MS,
    idleMs: IDLE_MS,
  });
}, TIMEOUT_MS);
afterAll(() => service?.[Symbol.asyncDispose](), TIMEOUT_MS);

interface Sent {
  readonly customer: string;
  /** The last one. */
  readonly answer: Answer;
  /** How often its environment was killed under it. */
  readonly deaths: number;
}

/** A caller whose environment was killed cannot know what it did until then, and sends the same request again. */
const send = async (customer: string): Promise<Sent> => {
  const key = randomUUID();
  for (let deaths = 0; ; deaths += 1) {
    const answer = await service.post(customer, key);
    if (!isDeath(answer)) return { customer, answer, deaths };
  }
};

/** All of them at once; `onAnswer` hears how many have been answered. */
const burst = (wave: string, onAnswer: (count: number) => void = () => undefined): Promise<Sent[]> => {
  let answered = 0;
  const customers = Array.from({ length: REQUESTS }, (_, at) => `${wave} ${at}`);
  return Promise.all(
    customers.map(async (customer) => {
      const sent = await send(customer);
      answered += 1;
      onAnswer(answered);
      return sent;
    }),
  );
};

const isDeath = ({ status, localError }: Answer): boolean =>
  status === 500 && localError?.startsWith('Runtime.ExitError') === true;
const isWritten = ({ answer }: Sent): boolean => answer.status === 201;
const isRefusedInTime = ({ answer }: Sent): boolean => answer.status === 503 && Number(answer.retryAfter) > 0;

/** The orders at the database are those that were acknowledged, each once; of one that died and was refused there may be one. */
const expectExactlyAcknowledged = async (sent: readonly Sent[]): Promise<void> => {
  const written = (await service.database.orders()).map(({ customer }) => customer);
  expect(new Set(written).size).toBe(written.length);
  const inDoubt = new Set(
    sent.filter((each) => each.deaths > 0 && !isWritten(each)).map(({ customer }) => customer),
  );
  const acknowledged = sent.filter(isWritten).map(({ customer }) => customer);
  expect(written.filter((customer) => !inDoubt.has(customer)).toSorted()).toEqual(acknowledged.toSorted());
};

const expectNoRefusal = async (): Promise<void> => {
  expect(await service.database.refusals()).toBe(0);
  expect(service.linesWith(REFUSAL)).toEqual([]);
};

const busy = (): ExecutionEnvironment | undefined =>
  service.environments.find(({ runningCount }) => runningCount > 0);

const sent: Sent[] = [];

test(
  '200 requests at once on ten connections: each is answered, the database refuses nobody, and what was acknowledged is written once',
  async () => {
    const wave = await burst('first');
    sent.push(...wave);
    expect(wave.filter((each) => !isWritten(each) && !isRefusedInTime(each))).toEqual([]);
    expect(wave.filter(isWritten).length).toBeGreaterThan(0);
    await expectExactlyAcknowledged(sent);
    await expectNoRefusal();
  },
  TIMEOUT_MS,
);

test(
  'every environment is stopped after each invocation, and what it has open stays within the capacity',
  async () => {
    await service.untilFrozen();
    expect(service.count('frozen')).toBeGreaterThan(REQUESTS);
    expect(service.environments.length).toBeGreaterThan(CAPACITY);
    expect((await service.database.sessions()).length).toBeLessThanOrEqual(CAPACITY);
  },
  TIMEOUT_MS,
);

test(
  'the same again with environments killed while frozen and in the middle of their work: a killed request, sent again, is done once',
  async () => {
    for (const environment of service.environments.slice(-KILLED_FROZEN)) environment.kill();
    let killed = 0;
    const wave = await burst('second', (answered) => {
      // Spread over the burst; where nobody was busy at the moment, the next answer will do.
      if (killed >= Math.min(KILLED_BUSY, Math.floor(answered / 25))) return;
      const victim = busy();
      if (victim === undefined) return;
      victim.kill();
      killed += 1;
    });
    sent.push(...wave);
    expect(killed).toBe(KILLED_BUSY);
    expect(wave.reduce((sum, { deaths }) => sum + deaths, 0)).toBeLessThanOrEqual(KILLED_BUSY);
    expect(wave.filter((each) => !isWritten(each) && !isRefusedInTime(each))).toEqual([]);
    await expectExactlyAcknowledged(sent);
    await expectNoRefusal();
  },
  TIMEOUT_MS,
);

test(
  'every order that was acknowledged can be read',
  async () => {
    const ids = sent.filter(isWritten).map(({ answer }) => answer.body.id ?? '');
    const some = ids.filter((_, at) => at % 10 === 0);
    const answers = await Promise.all(some.map((id) => service.get(id)));
    expect(answers.map(({ status, body }) => ({ status, id: body.id }))).toEqual(
      some.map((id) => ({ status: 200, id })),
    );
  },
  TIMEOUT_MS,
);

test(
  'when all are gone, frozen ones without a word, the sweeper alone brings every slot back within protection and idle time',
  async () => {
    await service.untilFrozen();
    for (const environment of [...service.environments]) environment.vanish();
    await service.sweepUntilEmpty(PROTECT_MS + IDLE_MS + SLACK_MS);
    expect(await service.database.sessions()).toEqual([]);
    await expectNoRefusal();
  },
  TIMEOUT_MS,
);
