import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Cluster } from 'ioredis';
import { isLeaseholdError } from '../../lib/core/errors.ts';
import { keysOf, namespaceTag } from '../../lib/registry/redis/keys.ts';
import { lambdaClusterOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { eventually, pause } from '../support/eventually.ts';
import { type RedisCluster, SlotMigration, startRedisCluster } from '../support/redis-cluster.ts';
import { harnessOver, type RedisHarness, Scene } from '../support/registry-harness.ts';
import { freshNamespace } from '../support/servers.ts';
import { describeRegistry } from './registry.contract.ts';

const TIMEOUT_MS = 20_000;

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
}, TIMEOUT_MS);
afterAll(() => cluster.stop());

const ready = async (client: Cluster): Promise<Cluster> => {
  await client.ping();
  return client;
};

for (const version of [6, 5] as const) {
  describeRegistry(`Redis Cluster, ioredis ${version}`, async () => {
    const client = await ready(cluster.client(version));
    return harnessOver(client, () => client.nodes('master'), freshNamespace());
  });

  describe(`registry in Redis Cluster, ioredis ${version}`, () => {
    let client: Cluster;
    let harness: Pick<RedisHarness, 'registry'> & { readonly namespace: string };

    beforeAll(async () => {
      client = await ready(cluster.client(version, lambdaClusterOptions));
      const namespace = freshNamespace();
      harness = { registry: redisRegistry(client, { namespace }), namespace: namespaceTag(namespace) };
    });
    afterAll(() => client.disconnect());

    const scene = (name: string, capacity = 3): Scene => {
      const unset = () => {
        throw new Error('The clock is the real one.');
      };
      const { registry } = harness;
      return new Scene({ registry, clockMs: 0, advance: unset, close: async () => undefined }, name, {
        capacity,
      });
    };

    test('L14 all keys of a resource are in one slot, and resources are spread over the nodes', async () => {
      const owners = new Set<string>();
      for (let n = 0; n < 20; n += 1) {
        const slots = await Promise.all(
          keysOf(`spread-${n}`, harness.namespace).map((key) => cluster.slotOf(key)),
        );
        expect(new Set(slots).size).toBe(1);
        owners.add((await cluster.ownerOf(slots[0] ?? 0)).address);
      }
      expect(owners.size).toBe(3);
    });

    test('every script runs on every node, though none of them has ever seen it', async () => {
      await Promise.all(cluster.nodes.map((node) => node.call('SCRIPT', 'FLUSH')));
      await Promise.all(Array.from({ length: 20 }, (_, n) => everyCall(scene(`spread-${n}`))));
    });

    test('a node that forgets its scripts between two calls is sent the text, with the same effect', async () => {
      const it = await scene('forgetful').start();
      const { fence } = await it.granted('a');
      const owner = await cluster.ownerOf(
        await cluster.slotOf(keysOf(it.resource, harness.namespace)[0] ?? ''),
      );
      await owner.call('SCRIPT', 'FLUSH');
      expect(await it.ask('a', { again: true })).toMatchObject({ kind: 'granted', fence });
      expect(await it.report()).toMatchObject({ held: 1 });
    });

    test(
      'a slot that moves to another node under grants and renewals loses no lease and makes none',
      async () => {
        const it = await scene(`moving-${version}`, 12).start();
        const traffic = new Traffic(it);
        await traffic.hold(['a', 'b', 'c', 'd', 'e', 'f']);
        const running = traffic.run();
        await pause(100);
        const slot = await cluster.slotOf(keysOf(it.resource, harness.namespace)[0] ?? '');
        const migration = await SlotMigration.begin(cluster, slot);
        const left = (): Promise<number> => pause(20).then(() => migration.move(1));
        while ((await left()) > 0);
        await eventually(() => traffic.repeats > 0);
        const owner = await migration.end();
        const movedAt = performance.now();
        await eventually(() => traffic.lastAnswerAt > movedAt + 200);
        traffic.stop();
        await running;

        expect(traffic.lost).toEqual([]);
        expect(traffic.strange).toEqual([]);
        expect(traffic.mostHeld).toBeLessThanOrEqual(12);
        expect(await it.report()).toMatchObject({ held: 6, revoking: 0 });
        expect(await owner.call('CLUSTER', 'COUNTKEYSINSLOT', slot)).toBeGreaterThan(0);
      },
      TIMEOUT_MS,
    );
  });
}

/** Each method of the port once, with the reply it has to give. */
const everyCall = async (it: Scene): Promise<void> => {
  await it.start();
  await it.granted('a');
  expect(await it.renew('a', { session: 'server1.a' })).toMatchObject({ kind: 'held' });
  expect(await it.park('a')).toEqual({ kind: 'parked' });
  await it.granted('b');
  expect(await it.abandon('b', { session: 'server1.b' })).toBe('abandoned');
  expect(await it.absent('b')).toBe('settled');
  expect(await it.release('a')).toBe('released');
  expect(await it.registry.sweep(it.resource, 1)).toMatchObject({ held: 0, revoking: 0 });
  expect(await it.report()).toMatchObject({ held: 0, revoking: 0 });
  await it.registry.forget(it.resource);
  expect(await it.registry.inspect(it.resource)).toBeUndefined();
};

/** Leases that are renewed all the time, and others that come and go, whatever the cluster does meanwhile. */
class Traffic {
  readonly lost: unknown[] = [];
  /** What a caller could not repeat. */
  readonly strange: unknown[] = [];
  /** Calls that had to be made again, because ioredis had given up. */
  repeats = 0;
  mostHeld = 0;
  lastAnswerAt = 0;
  readonly #scene: Scene;
  readonly #held: string[] = [];
  #isOver = false;
  #asked = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async hold(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#scene.granted(name);
    this.#held.push(...names);
  }

  async run(): Promise<void> {
    await Promise.all([...this.#held.map((name) => this.#renew(name)), this.#comeAndGo(), this.#look()]);
  }

  stop(): void {
    this.#isOver = true;
  }

  async #renew(name: string): Promise<void> {
    while (!this.#isOver) {
      const turn = this.#scene.turn(name);
      const outcome = await this.#untilAnswered(() => this.#scene.renew(name, { turn }));
      if (outcome.kind === 'lost') this.lost.push([name, outcome]);
      await pause(5);
    }
  }

  async #comeAndGo(): Promise<void> {
    while (!this.#isOver) {
      this.#asked += 1;
      const name = `guest${this.#asked}`;
      let again = false;
      const reply = await this.#untilAnswered(() => {
        const ask = this.#scene.ask(name, { again });
        again = true;
        return ask;
      });
      if (reply.kind === 'granted') await this.#untilAnswered(() => this.#scene.release(name));
      // Asked again with `again` where the first ask never arrived: nothing is held under that id.
      else if (reply.kind !== 'lost') this.strange.push(reply);
      await pause(5);
    }
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const { held } = await this.#untilAnswered(() => this.#scene.report());
      this.mostHeld = Math.max(this.mostHeld, held);
      await pause(10);
    }
  }

  async #untilAnswered<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await call();
        this.lastAnswerAt = performance.now();
        return answer;
      } catch (error) {
        this.repeats += 1;
        if (!isLeaseholdError(error) || !error.retryable) this.strange.push(error);
        await pause(10);
      }
    }
  }
}
