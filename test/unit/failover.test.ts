import { describe, expect, test } from '@jest/globals';
import { FAILOVER_EVENTS } from '../../functions/database-event.ts';
import { FAILOVER_METRICS, type FailoverReport, failoverHandler } from '../../functions/failover.ts';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { LeaseholdError } from '../../lib/core/errors.ts';
import type { ResourceReport } from '../../lib/core/report.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { CLUSTER_ARN, completed, databaseEvent, instanceEvent, started } from '../support/database-events.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

type Parts = Parameters<typeof failoverHandler>[0];
type GivenEvent = Parameters<ReturnType<typeof failoverHandler>>[0];

const PAUSE_MS = 90_000;
const ENV = { FAILOVER_SOURCES: 'orders-db, orders-one' };

/** A function in front of a registry that knows the resource, on a clock that the test moves. */
class World {
  readonly clock = new FakeClock();
  readonly registry: Registry = memoryRegistry({ clock: this.clock });
  readonly logged: string[] = [];
  readonly measured: Record<string, number> = {};
  /** Calls of the registry that fail before the next one that works. */
  failures = 0;
  /** What the invocation has left, in ms. */
  leftMs = 30_000;
  readonly #handler: ReturnType<typeof failoverHandler>;

  constructor(env: Record<string, string> = ENV) {
    const log = (message: unknown, extra: unknown): void => {
      this.logged.push(JSON.stringify([message, extra]));
    };
    const parts = {
      env,
      registry: this.#unsteady(),
      config: parseConfig({ resource: 'orders', capacity: 4 }, []),
      logger: { info: log, warn: log },
      metrics: {
        addMetric: (name: string, unit: string, value: number) => {
          expect(FAILOVER_METRICS).toHaveProperty(name, unit);
          this.measured[name] = (this.measured[name] ?? 0) + value;
        },
        publishStoredMetrics: () => undefined,
      },
    };
    this.#handler = failoverHandler(parts as unknown as Parts, this.clock);
  }

  static async open(env?: Record<string, string>): Promise<World> {
    const world = new World(env);
    const config = parseConfig({ resource: 'orders', capacity: 4 }, []);
    await world.registry.configure('orders', settingsOf(config), true);
    return world;
  }

  get nowMs(): number {
    return this.clock.wallMs();
  }

  async send(event: unknown): Promise<FailoverReport> {
    const context = { getRemainingTimeInMillis: () => this.leftMs };
    let isOver = false;
    const going = this.#handler(event as GivenEvent, context).finally(() => {
      isOver = true;
    });
    going.catch(() => undefined);
    for (let turn = 0; turn < 100 && !isOver; turn += 1) await this.#turn();
    return going;
  }

  async report(): Promise<ResourceReport> {
    const report = await this.registry.inspect('orders');
    if (report === undefined) throw new Error('The registry does not know the resource.');
    return report;
  }

  async state(): Promise<Pick<ResourceReport, 'control' | 'pausedForMs'>> {
    const { control, pausedForMs } = await this.report();
    return { control, pausedForMs };
  }

  async #turn(): Promise<void> {
    await this.clock.advanceAsync(0);
    const dueMs = this.clock.nextTimerMs;
    if (dueMs !== undefined) await this.clock.advanceAsync(dueMs);
  }

  #unsteady(): Pick<Registry, 'inspect' | 'operate'> {
    const fail = (): void => {
      if (this.failures === 0) return;
      this.failures -= 1;
      throw new LeaseholdError('REGISTRY_UNREACHABLE', 'The registry did not answer.');
    };
    const { registry } = this;
    return {
      inspect: async (...given) => {
        fail();
        return registry.inspect(...given);
      },
      operate: async (...given) => {
        fail();
        return registry.operate(...given);
      },
    };
  }
}

describe('a failover', () => {
  test('pauses the resource when it starts; when it is over, connections are replaced and granted again', async () => {
    const world = await World.open();
    const startedAt = world.nowMs;
    expect(await world.send(started(startedAt))).toEqual({
      resource: 'orders',
      event: 'RDS-EVENT-0073',
      did: ['pause'],
      forMs: PAUSE_MS,
    });
    expect(await world.state()).toEqual({ control: 'paused', pausedForMs: PAUSE_MS });
    world.clock.advance(20_000);
    expect(await world.send(completed(world.nowMs))).toMatchObject({ did: ['reconnect', 'resume'] });
    expect(await world.report()).toMatchObject({ control: 'open', reconnectedAgoMs: 0 });
    expect(world.measured).toEqual({ FailoverPaused: 1, FailoverReconnected: 1, FailoverResumed: 1 });
  });

  test('whose end nobody tells pauses no longer than it may take', async () => {
    const world = await World.open({ ...ENV, FAILOVER_PAUSE_MS: '60000' });
    await world.send(started(world.nowMs));
    world.clock.advance(59_999);
    expect(await world.state()).toEqual({ control: 'paused', pausedForMs: 1 });
    world.clock.advance(1);
    expect(await world.state()).toMatchObject({ control: 'open' });
  });

  test('the end of one that took longer than the pause has connections replaced, and closes the breaker', async () => {
    const world = await World.open();
    await world.send(started(world.nowMs));
    world.clock.advance(PAUSE_MS + 10_000);
    for (const holder of ['a', 'b', 'c'])
      await world.registry.operate('orders', { kind: 'observe', holder, outcome: 'refused' });
    expect(await world.report()).toMatchObject({ control: 'open', breaker: 'open' });
    expect(await world.send(completed(world.nowMs))).toMatchObject({ did: ['reconnect', 'resume'] });
    expect(await world.report()).toMatchObject({ control: 'open', breaker: 'closed' });
  });

  test.each(
    Object.entries(FAILOVER_EVENTS).flatMap(([type, phases]) =>
      Object.entries(phases).map(([id, phase]) => [id, phase, type] as const),
    ),
  )('%s: it is %s (%s)', async (id, phase, type) => {
    const world = await World.open();
    const event =
      type === 'RDS DB Cluster Event'
        ? databaseEvent({ id, atMs: world.nowMs })
        : instanceEvent(id, world.nowMs);
    const { did } = await world.send(event);
    expect(did).toEqual(phase === 'started' ? ['pause'] : ['reconnect', 'resume']);
  });
});

describe('events that come more than once, late, or in another order', () => {
  test('a start that comes again does not prolong its pause', async () => {
    const world = await World.open();
    const event = started(world.nowMs);
    await world.send(event);
    world.clock.advance(30_000);
    expect(await world.send(event)).toMatchObject({ did: [], because: 'it is paused as long already' });
    expect(await world.state()).toEqual({ control: 'paused', pausedForMs: PAUSE_MS - 30_000 });
    expect(world.measured).toEqual({ FailoverPaused: 1, FailoverIgnored: 1 });
  });

  test('a start that is late pauses for the rest; one that is later than its pause, not at all', async () => {
    const world = await World.open();
    const event = started(world.nowMs);
    world.clock.advance(50_000);
    expect(await world.send(event)).toMatchObject({ did: ['pause'], forMs: PAUSE_MS - 50_000 });
    world.clock.advance(50_000);
    expect(await world.send(event)).toMatchObject({
      did: [],
      because: 'it is older than the pause that it asks for',
    });
    expect(await world.state()).toMatchObject({ control: 'open' });
  });

  test('a start behind its own end does not pause', async () => {
    const world = await World.open();
    const late = started(world.nowMs);
    world.clock.advance(20_000);
    await world.send(completed(world.nowMs));
    world.clock.advance(1_000);
    expect(await world.send(late)).toMatchObject({
      did: [],
      because: 'every connection has been replaced since',
    });
    expect(await world.state()).toMatchObject({ control: 'open' });
  });

  test('an end that comes again replaces nothing again', async () => {
    const world = await World.open();
    await world.send(started(world.nowMs));
    world.clock.advance(20_000);
    const end = completed(world.nowMs);
    await world.send(end);
    const { version } = await world.report();
    world.clock.advance(5_000);
    expect(await world.send(end)).toMatchObject({ did: [] });
    expect(await world.report()).toMatchObject({ version, reconnectedAgoMs: 5_000 });
  });

  test('the end of an earlier failover does not end the pause of a later one', async () => {
    const world = await World.open();
    const endOfFirst = completed(world.nowMs);
    world.clock.advance(10_000);
    await world.send(started(world.nowMs));
    world.clock.advance(1_000);
    expect(await world.send(endOfFirst)).toMatchObject({ did: [], because: 'a later failover is under way' });
    expect(await world.state()).toMatchObject({ control: 'paused' });
    world.clock.advance(10_000);
    expect(await world.send(completed(world.nowMs))).toMatchObject({ did: ['reconnect', 'resume'] });
  });

  test('a failover of less than a second is over, although the word of its start took its time to the registry', async () => {
    const world = await World.open();
    const [start, end] = [started(world.nowMs), completed(world.nowMs)];
    const operate = world.registry.operate.bind(world.registry);
    world.registry.operate = (...args) => {
      world.clock.advance(1_500);
      return operate(...args);
    };
    expect(await world.send(start)).toMatchObject({ did: ['pause'] });
    expect(await world.send(end)).toMatchObject({ did: ['reconnect', 'resume'] });
  });

  test('a second start, when the failover is turned back, pauses anew', async () => {
    const world = await World.open();
    await world.send(started(world.nowMs));
    world.clock.advance(40_000);
    const again = databaseEvent({ id: 'RDS-EVENT-0070', atMs: world.nowMs });
    expect(await world.send(again)).toMatchObject({ did: ['pause'], forMs: PAUSE_MS });
  });

  test('an end that got only as far as the reconnect ends the pause when it comes again', async () => {
    const world = await World.open();
    await world.send(started(world.nowMs));
    world.clock.advance(20_000);
    const end = completed(world.nowMs);
    await world.registry.operate('orders', { kind: 'reconnect' });
    expect(await world.send(end)).toMatchObject({ did: ['resume'] });
    expect(await world.state()).toMatchObject({ control: 'open' });
  });

  test('an event that is more than an hour old is history', async () => {
    const world = await World.open();
    const end = completed(world.nowMs);
    world.clock.advance(3_601_000);
    expect(await world.send(end)).toMatchObject({ did: [], because: 'it is more than an hour old' });
  });

  test('an event from a clock ahead of ours pauses no longer than the bound', async () => {
    const world = await World.open();
    expect(await world.send(started(world.nowMs + 600_000))).toMatchObject({ forMs: PAUSE_MS });
  });

  test('whatever comes in whatever order: some bound after the last start nothing is paused, and no repeat changes a thing', async () => {
    const seed = chooseSeed();
    const random = new SeededRandom(seed);
    for (let round = 0; round < 200; round += 1) {
      const world = await World.open();
      const waiting: { readonly event: ReturnType<typeof started>; readonly dueMs: number }[] = [];
      let lastStart = 0;
      for (let failover = 0; failover < 3; failover += 1) {
        const at = world.nowMs + failover * 200_000;
        const endAt = at + random.whole(1_000, 60_000);
        lastStart = at;
        for (const [event, from] of [
          [started(at), at],
          [completed(endAt), endAt],
        ] as const)
          for (let copy = random.whole(0, 2); copy >= 0; copy -= 1)
            waiting.push({ event, dueMs: from + random.pick([0, 500, 5_000, 70_000, 300_000]) });
      }
      const openAt = lastStart + PAUSE_MS;
      for (const { event, dueMs } of waiting.toSorted((one, other) => one.dueMs - other.dueMs)) {
        world.clock.advance(Math.max(0, dueMs - world.nowMs));
        await world.send(event);
        const { version, control } = await world.report();
        if (world.nowMs >= openAt) expect({ seed, round, control }).toEqual({ seed, round, control: 'open' });
        expect(await world.send(event)).toMatchObject({ did: [] });
        expect(await world.report()).toMatchObject({ version, control });
      }
    }
  }, 60_000);
});

describe('an operator', () => {
  test.each([
    ['a pause until resume', { action: 'pause', forMs: 0 }, 'paused'],
    ['a drain', { action: 'drain' }, 'draining'],
  ])('%s is not touched by a failover; its end still has connections replaced', async (_, word, control) => {
    const world = await World.open();
    await world.send(word);
    const because = `an operator's word holds: ${control}`;
    expect(await world.send(started(world.nowMs))).toMatchObject({ did: [], because });
    world.clock.advance(200_000);
    const end = completed(world.nowMs);
    expect(await world.send(end)).toMatchObject({ did: ['reconnect'], because });
    expect(await world.send(end)).toMatchObject({ did: [], because });
    expect(await world.state()).toEqual({ control, pausedForMs: 0 });
  });

  test('imitates a failover by hand, in a drill', async () => {
    const world = await World.open();
    expect(await world.send({ action: 'pause' })).toEqual({
      resource: 'orders',
      did: ['pause'],
      forMs: PAUSE_MS,
    });
    expect(await world.send({ action: 'reconnect' })).toEqual({ resource: 'orders', did: ['reconnect'] });
    expect(await world.state()).toMatchObject({ control: 'paused' });
    expect(await world.send({ action: 'resume' })).toEqual({ resource: 'orders', did: ['resume'] });
    expect(await world.state()).toMatchObject({ control: 'open' });
    expect(await world.send({ action: 'drain' })).toMatchObject({ did: ['drain'] });
    expect(await world.state()).toMatchObject({ control: 'draining' });
  });

  test('resizes the fleet, with a tenth of headroom unless told otherwise', async () => {
    const world = await World.open();
    expect(await world.send({ action: 'resize', capacity: 41 })).toEqual({
      resource: 'orders',
      did: ['resize'],
    });
    expect((await world.report()).settings).toMatchObject({ capacity: 41, headroom: 5 });
    await world.send({ action: 'resize', capacity: 1 });
    expect((await world.report()).settings).toMatchObject({ capacity: 1, headroom: 0 });
    await world.send({ action: 'resize', capacity: 40, headroom: 0 });
    expect((await world.report()).settings).toMatchObject({ capacity: 40, headroom: 0 });
  });

  test('hears everything that is wrong with an action at once, and nothing is done', async () => {
    const world = await World.open();
    await expect(world.send({ action: 'pasue', forMs: -1, force: true })).rejects.toThrow(
      [
        'The action is not valid:',
        '  - action: "pasue" is none; there are pause, resume, reconnect, drain, resize',
        '  - "force": no such field; there are action, forMs, capacity, headroom',
        '  - forMs: -1 is not a whole number of ms from 0 to 86400000',
      ].join('\n'),
    );
    await expect(world.send({ action: null })).rejects.toThrow(/null is none; there are pause, resume/);
    await expect(world.send({ action: 'pause', forMs: '60000' })).rejects.toThrow(/"60000" is not/);
    await expect(world.send({ action: 'resume', forMs: 1, capacity: 5 })).rejects.toThrow(
      '  - forMs: "resume" has none\n  - capacity: "resume" has none',
    );
    await expect(world.send({ action: 'resize', headroom: 2.5 })).rejects.toThrow(
      '  - headroom: 2.5 is not a whole number of connections from 0 to 50000\n  - capacity: is missing',
    );
    await expect(world.send({ action: 'resize', capacity: 10, headroom: 6 })).rejects.toThrow(
      /more than half/,
    );
    expect(await world.report()).toMatchObject({ control: 'open', version: 0 });
  });
});

describe('an event that is not ours', () => {
  const at = Date.UTC(2026, 5, 1);
  const other = CLUSTER_ARN.replace('orders-db', 'others-db');
  test.each([
    ['nothing', undefined, 'not an event of an RDS cluster or instance'],
    ['null', null, 'not an event of an RDS cluster or instance'],
    ['a text', 'RDS-EVENT-0073', 'not an event of an RDS cluster or instance'],
    ['a list', [started(at)], 'not an event of an RDS cluster or instance'],
    ['one of a scheduler', { source: 'aws.events', 'detail-type': 'Scheduled Event' }, 'not an event of'],
    ['one that only looks like RDS’s', { ...started(at), source: 'orders' }, 'not an event of'],
    ['a snapshot’s', { ...started(at), 'detail-type': 'RDS DB Snapshot Event' }, 'not an event of'],
    ['one of a prototype’s name', { ...started(at), 'detail-type': 'constructor' }, 'not an event of'],
    ['one without detail', { ...started(at), detail: undefined }, 'an event without an id'],
    [
      'one whose id is none',
      databaseEvent({ atMs: at, id: 'RDS-EVENT-0073; drop' }),
      'an event without an id',
    ],
    ['one of an unknown id', databaseEvent({ atMs: at, id: 'RDS-EVENT-0170' }), 'says nothing of a failover'],
    ['an instance’s id at a cluster', databaseEvent({ atMs: at, id: 'RDS-EVENT-0013' }), 'says nothing of a'],
    ['an aborted failover', instanceEvent('RDS-EVENT-0034', at), 'says nothing of a failover'],
    ['one without a time', { ...started(at), time: 'soon' }, 'RDS-EVENT-0073 says no time'],
    ['another cluster’s', databaseEvent({ atMs: at, id: 'RDS-EVENT-0073', arn: other }), 'not of a cluster'],
    ['one of nobody’s', { ...started(at), detail: { EventID: 'RDS-EVENT-0073' } }, 'not of a cluster'],
  ])('%s is ignored, and the registry is not asked', async (_, event, because) => {
    const world = await World.open();
    world.failures = Number.POSITIVE_INFINITY;
    expect(await world.send(event)).toEqual(
      expect.objectContaining({ did: [], because: expect.stringContaining(because) }),
    );
    expect(world.measured).toEqual({ FailoverIgnored: 1 });
    expect(world.logged).toHaveLength(1);
  });

  test('a resource that nobody has used has nothing to pause', async () => {
    const world = new World();
    const because = 'the registry does not know the resource';
    expect(await world.send(started(world.nowMs))).toMatchObject({ did: [], because });
    expect(await world.send({ action: 'pause' })).toMatchObject({ did: [], because });
    expect(world.measured).toEqual({ FailoverIgnored: 2 });
  });

  test('a cluster may be named by its ARN, and then no other of that name counts', async () => {
    const world = await World.open({ FAILOVER_SOURCES: CLUSTER_ARN.toUpperCase() });
    const arn = CLUSTER_ARN.replace('eu-central-1', 'eu-west-1');
    const abroad = databaseEvent({ id: 'RDS-EVENT-0073', atMs: world.nowMs, arn });
    expect(await world.send(abroad)).toMatchObject({ did: [] });
    expect(await world.send(started(world.nowMs))).toMatchObject({ did: ['pause'] });
  });

  test('an identifier with `rds:` before it is the same', async () => {
    const world = await World.open();
    const event = started(world.nowMs);
    const detail = { EventID: 'RDS-EVENT-0073', SourceIdentifier: 'rds:orders-db' };
    expect(await world.send({ ...event, detail })).toMatchObject({ did: ['pause'] });
  });
});

describe('a registry that gives no answer', () => {
  test('is tried again for some seconds', async () => {
    const world = await World.open();
    world.failures = 4;
    expect(await world.send(started(world.nowMs))).toMatchObject({ did: ['pause'] });
    expect(world.logged.filter((line) => line.includes('trying again'))).toHaveLength(4);
  });

  test('fails the invocation in the end, so that it is repeated', async () => {
    const world = await World.open();
    world.failures = 6;
    await expect(world.send(started(world.nowMs))).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
    expect(world.failures).toBe(0);
  });

  test('is not tried beyond the invocation’s time', async () => {
    const world = await World.open();
    world.failures = 2;
    world.leftMs = 3_100;
    await expect(world.send(started(world.nowMs))).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' });
    expect(world.failures).toBe(1);
  });
});

describe('the configuration', () => {
  test('names every problem at once', () => {
    expect(
      () =>
        new World({
          FAILOVER_SOURCE: 'a',
          FAILOVER_SOURCES: 'orders db,ok-db',
          FAILOVER_PAUSE_MS: '1 minute',
        }),
    ).toThrow(
      [
        'The options are not valid:',
        '  - FAILOVER_SOURCE: no such variable; did you mean FAILOVER_SOURCES?',
        '  - FAILOVER_SOURCES: "orders db" is neither the identifier nor the ARN of a cluster or instance',
        '  - FAILOVER_PAUSE_MS: "1 minute" is not a whole number of ms from 5000 to 600000',
      ].join('\n'),
    );
  });

  test('without sources it would ignore every failover, and says so; an operator is heard', async () => {
    const world = await World.open({ FAILOVER_SOURCES: ' , ' });
    await expect(world.send(started(world.nowMs))).rejects.toThrow(/FAILOVER_SOURCES: is missing/);
    expect(await world.state()).toMatchObject({ control: 'open' });
    expect(await world.send({ action: 'drain' })).toMatchObject({ did: ['drain'] });
    expect(await world.send({ action: 'resume' })).toMatchObject({ did: ['resume'] });
  });
});
