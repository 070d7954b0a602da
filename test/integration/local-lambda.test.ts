import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { stateOf } from '../e2e/e2e-service.ts';
import { Keeper } from '../local/keeper.ts';
import { LambdaFunction, type Scaling, StartLine } from '../local/lambda-function.ts';
import type { LocalEvent } from '../local/local-event.ts';
import type { PackagedFunction } from '../local/packaged-service.ts';
import { eventually, pause } from '../support/eventually.ts';

// Each environment is a process.
jest.setTimeout(60_000);

const PROGRAM = fileURLToPath(new URL('../support/tiny-runtime.ts', import.meta.url));
const NEVER_MS = 600_000;
const SCALING: Scaling = { environmentsMax: 3, idleMs: NEVER_MS, maxConcurrency: 1, lineMs: 30_000 };
const PACKAGED: PackagedFunction = {
  ...{ key: 'tiny', functionName: 'tiny', folder: tmpdir(), handler: 'tiny.handler', env: {} },
  ...{
    timeoutMs: 30_000,
    memoryMb: 128,
    runtime: 'nodejs24.x',
    reservedConcurrency: undefined,
    retriesMax: 2,
  },
};

let keeper: Keeper;
let events: LocalEvent[];
let lambda: LambdaFunction | undefined;

beforeEach(() => {
  keeper = new Keeper();
  events = [];
});

afterEach(async () => {
  await lambda?.close();
  lambda = undefined;
  keeper.close();
});

const functionOf = (packaged: Partial<PackagedFunction> = {}, scaling: Partial<Scaling> = {}) => {
  lambda = new LambdaFunction({
    host: { program: PROGRAM, keeper, listen: (event) => events.push(event) },
    packaged: { ...PACKAGED, ...packaged },
    env: {},
    scaling: { ...SCALING, ...scaling },
    starts: new StartLine(2),
  });
  return lambda;
};

type Does = { readonly do?: 'hang' | 'die' | 'fail' };

interface Said {
  readonly pid: number;
  /** Its how-manieth answer it is. */
  readonly count: number;
  /** Of its Runtime API. */
  readonly address: string;
}

const asked = async (to: LambdaFunction, does: Does = {}): Promise<Said> => {
  const outcome = await to.invoke(does);
  if (outcome.kind !== 'answered') throw new Error(JSON.stringify(outcome));
  return JSON.parse(outcome.payload) as Said;
};

const kinds = (...wanted: readonly string[]): string[] =>
  events.map(({ kind }) => kind).filter((kind) => wanted.includes(kind));

const untilAtRest = (it: LambdaFunction): Promise<unknown> =>
  eventually(() => it.environments.every(({ isFrozen }) => isFrozen), {
    what: 'the freeze',
    timeoutMs: 20_000,
  });

describe('an execution environment', () => {
  test('is stopped when it waits for an event, and only then; the same process goes on with the next one', async () => {
    const it = functionOf();
    const first = await asked(it);
    await untilAtRest(it);
    await eventually(async () => (await stateOf(first.pid)) === 'T', { what: 'a process that is stopped' });
    const second = await asked(it);
    expect(second).toMatchObject({ pid: first.pid, count: 2 });
    await untilAtRest(it);
    expect(kinds('frozen', 'thawed')).toEqual(['frozen', 'thawed', 'frozen', 'thawed', 'frozen']);
    expect(kinds('started', 'ended')).toEqual(['started']);
  });

  test('that takes too long is ended, says so, and starts afresh in another process when it is needed', async () => {
    const it = functionOf({ timeoutMs: 3_000 }, { environmentsMax: 1 });
    const before = await asked(it);
    expect(await it.invoke({ do: 'hang' })).toMatchObject({
      kind: 'failed',
      error: { errorType: 'Sandbox.Timedout', errorMessage: 'Task timed out after 3.00 seconds' },
    });
    const after = await asked(it);
    expect(after.pid).not.toBe(before.pid);
    expect(after.count).toBe(1);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: 'ended', pid: before.pid, reason: 'timed out' }),
    );
    expect(it.environments.map(({ name }) => name)).toEqual(['tiny-1']);
  });

  test('that dies in the middle of an invocation fails it, and is initialised again', async () => {
    const it = functionOf({}, { environmentsMax: 1 });
    expect(await it.invoke({ do: 'die' })).toMatchObject({ error: { errorType: 'Runtime.ExitError' } });
    expect(await asked(it)).toMatchObject({ count: 1 });
    const hanging = it.invoke({ do: 'hang' });
    await eventually(() => it.environments[0]?.runningCount === 1, { what: 'the invocation' });
    it.environments[0]?.kill();
    expect(await hanging).toMatchObject({ error: { errorType: 'Runtime.ExitError' } });
    expect(await asked(it)).toMatchObject({ count: 1 });
    expect(it.environments.map(({ name }) => name)).toEqual(['tiny-1']);
  });

  test('that is killed while it is frozen gets no event any more', async () => {
    const it = functionOf();
    const { pid } = await asked(it);
    await untilAtRest(it);
    it.environments[0]?.kill();
    expect((await asked(it)).pid).not.toBe(pid);
  });

  test('hears nothing more of its last process, whatever that had still said before it was ended', async () => {
    const it = functionOf({ timeoutMs: 3_000 }, { environmentsMax: 1 });
    const { address } = await asked(it);
    expect(await it.invoke({ do: 'hang' })).toMatchObject({ error: { errorType: 'Sandbox.Timedout' } });
    const asking = asked(it);
    const late = await fetch(`http://${address}/2018-06-01/runtime/invocation/next`).catch(() => 'refused');
    expect(await asking).toMatchObject({ count: 1 });
    expect(late).toBe('refused');
  });

  test('that vanishes while it starts fails whoever waits for it at once, and the next one starts', async () => {
    const it = functionOf({}, { environmentsMax: 1, lineMs: 10_000 });
    const asking = it.invoke({});
    await eventually(() => it.environments[0]?.pid, { what: 'a process' });
    it.environments[0]?.vanish();
    expect(await asking).toMatchObject({ kind: 'failed', error: { errorType: 'Runtime.ExitError' } });
    expect(await asked(it)).toMatchObject({ count: 1 });
  });

  test('that has had nothing to do for its time is ended, and not while it works', async () => {
    const it = functionOf({}, { environmentsMax: 1, idleMs: 500 });
    await asked(it);
    const hanging = it.invoke({ do: 'hang' });
    await eventually(() => it.environments[0]?.runningCount === 1, { what: 'the invocation' });
    // Twice its idle time.
    await pause(1_000);
    expect(kinds('ended')).toEqual([]);
    it.environments[0]?.kill();
    expect(await hanging).toMatchObject({ kind: 'failed' });
    await asked(it);
    await eventually(() => it.environments.length === 0, { what: 'its end', timeoutMs: 20_000 });
    expect(events.at(-1)).toMatchObject({ kind: 'ended', reason: 'reaped' });
  });
});

describe('a function', () => {
  test('has as many environments as are needed at once, up to a bound, and the others wait in line', async () => {
    const it = functionOf();
    const all = await Promise.all(Array.from({ length: 12 }, () => asked(it)));
    expect(new Set(all.map(({ pid }) => pid)).size).toBeLessThanOrEqual(3);
    expect(it.environments).toHaveLength(3);
    await untilAtRest(it);
    // The last used first: the others may be reaped.
    const { pid } = await asked(it);
    await untilAtRest(it);
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await asked(it)).pid).toBe(pid);
      await untilAtRest(it);
    }
  });

  test('refuses whoever has stood in line for too long', async () => {
    const it = functionOf({}, { environmentsMax: 1, lineMs: 3_000 });
    await asked(it);
    const hanging = it.invoke({ do: 'hang' });
    expect(await it.invoke({})).toEqual({ kind: 'throttled' });
    expect(kinds('throttled')).toHaveLength(1);
    it.environments[0]?.kill();
    await hanging;
  });

  test('with a reserved concurrency refuses at once what is beyond it', async () => {
    const it = functionOf({ reservedConcurrency: 1 });
    const outcomes = await Promise.all([it.invoke({}), it.invoke({}), it.invoke({})]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['answered', 'throttled', 'throttled']);
  });

  test.each([0, 2])(
    'invoked asynchronously is tried again %i times, and not for ever',
    async (retriesMax) => {
      const it = functionOf({ retriesMax });
      const invoke = jest.spyOn(it, 'invoke');
      expect(await it.invokeAsync({ do: 'fail' })).toMatchObject({ kind: 'failed' });
      expect(invoke).toHaveBeenCalledTimes(retriesMax + 1);
    },
  );

  test('that is closed leaves no process, and refuses', async () => {
    const it = functionOf();
    const pids = new Set((await Promise.all([asked(it), asked(it), asked(it)])).map(({ pid }) => pid));
    it.environments[0]?.vanish();
    await it.close();
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await it.invoke({})).toEqual({ kind: 'throttled' });
  });

  test('that is closed while an environment is about to start leaves none behind', async () => {
    const it = functionOf();
    const alive = new Set<number>();
    jest.spyOn(keeper, 'add').mockImplementation((pid) => void alive.add(pid));
    jest.spyOn(keeper, 'remove').mockImplementation((pid) => void alive.delete(pid));
    const asking = it.invoke({});
    await it.close();
    expect(await asking).toEqual({ kind: 'throttled' });
    // Time for a process that nobody wants any more.
    await pause(300);
    try {
      expect([...alive]).toEqual([]);
    } finally {
      for (const pid of alive) process.kill(pid, 'SIGKILL');
    }
  });
});
