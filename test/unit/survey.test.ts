import { beforeEach, expect, test } from '@jest/globals';
import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { Events } from '../../lib/core/events.ts';
import { sessionLabel } from '../../lib/core/label.ts';
import type { LeaseRef } from '../../lib/core/lease.ts';
import { systemRandom } from '../../lib/core/random.ts';
import type { DriverConnection, LabelledSession } from '../../lib/driver/driver.ts';
import { Holder } from '../../lib/pool/holder.ts';
import type { PoolEvents } from '../../lib/pool/pool-events.ts';
import { memoryRegistry } from '../../lib/registry/memory.ts';
import { survey } from '../../lib/sweeper/survey.ts';
import { FakeClock } from '../support/fake-clock.ts';

const RESOURCE = 'orders';
/** More than two pages of leases. */
const LEASES = 250;

let clock: FakeClock;
let holder: Holder;
let leases: (LeaseRef & { readonly session: string })[];
/** What the database shows at each look; the last one stays. */
let looks: LabelledSession[][];
let looked: number;

const sessionOf = (lease: LeaseRef, session: string): LabelledSession => ({
  label: sessionLabel(RESOURCE, holder.registry.namespace, lease),
  session,
});

const connection = {
  census: async () => ({ sessions: looks[Math.min(looked++, looks.length - 1)] ?? [], foreign: 0 }),
} as unknown as DriverConnection<unknown>;

const idAt = (at: number): string => `l${String(at).padStart(15, '0')}`;

beforeEach(async () => {
  clock = new FakeClock(Date.UTC(2026, 5, 1));
  const registry = memoryRegistry({ clock });
  const config = parseConfig({ resource: RESOURCE, capacity: 400 }, [], undefined, []);
  holder = new Holder(config, registry, clock, systemRandom, new Events<PoolEvents>());
  const settings = settingsOf(config);
  await registry.configure(RESOURCE, settings, true);
  leases = [];
  for (let at = 0; at < LEASES; at++) {
    const ask = { leaseId: idAt(at), again: false, stamp: 0, holder: `h${at}`, group: 'g', wait: false };
    const reply = await registry.grant({ resource: RESOURCE, ...ask, settings });
    if (reply.kind !== 'granted') throw new Error(reply.kind);
    const lease = { id: idAt(at), fence: reply.fence };
    await registry.renew(RESOURCE, `h${at}`, [{ ...lease, turn: 1, session: `s.${at}`, idle: false }]);
    leases.push({ ...lease, session: `s.${at}` });
  }
  looks = [leases.map((lease) => sessionOf(lease, lease.session))];
  looked = 0;
});

/** The pause between two looks is the clock's. */
const surveyed = async (through = connection) => {
  const done = survey(holder, through);
  let isDone = false;
  void done.finally(() => {
    isDone = true;
  });
  while (!isDone) await clock.advance(50);
  return done;
};

const all = (): LabelledSession[] => looks[0] ?? [];
const strangersOf = (count: number): LabelledSession[] =>
  Array.from({ length: count }, (_, at) => sessionOf({ id: `x${idAt(at).slice(1)}`, fence: 7 }, `s.x${at}`));

test('where registry and database agree one look is enough, whatever the size of the fleet', async () => {
  expect(await surveyed()).toEqual({ sessions: LEASES, foreign: 0, adopted: 0, vacated: 0 });
  expect(looked).toBe(1);
});

test('three sessions without a lease are found among three pages of leases', async () => {
  looks = [[...all(), ...strangersOf(3)]];
  expect(await surveyed()).toMatchObject({ adopted: 3, vacated: 0 });
  expect(await holder.registry.inspect(RESOURCE)).toMatchObject({ held: LEASES + 3 });
});

test('a session that a second look does not show was on its way out: it is no lease', async () => {
  const lookedAt: number[] = [];
  const watched = {
    census: (prefix: string, timeoutMs: number) => {
      lookedAt.push(clock.wallMs());
      return connection.census(prefix, timeoutMs);
    },
  } as unknown as DriverConnection<unknown>;
  looks = [
    [...all(), ...strangersOf(3)],
    [...all(), ...strangersOf(1)],
  ];
  expect(await surveyed(watched)).toMatchObject({ adopted: 1 });
  // Time for the server's list to follow.
  const [first = 0, second = 0] = lookedAt;
  expect(second - first).toBeGreaterThanOrEqual(100);
});

test('more than a page of strangers: the next survey goes on with the rest', async () => {
  looks = [[...all(), ...strangersOf(130)]];
  expect(await surveyed()).toMatchObject({ adopted: 100 });
  expect(await surveyed()).toMatchObject({ adopted: 30 });
  expect(await surveyed()).toMatchObject({ adopted: 0 });
});

test('L6 a lease that is protected is left alone, with a session or without', async () => {
  looks = [[]];
  expect(await surveyed()).toMatchObject({ vacated: 0 });
  // Nor is anybody's time taken for it.
  expect(looked).toBe(1);
  expect(await holder.registry.inspect(RESOURCE)).toMatchObject({ held: LEASES, revoking: 0 });
});

test('unprotected leases without a session go, a page a survey, those first that nobody has renewed for longest', async () => {
  clock.advance(holder.settings.protectMs);
  looks = [all().slice(220)];
  expect(await surveyed()).toMatchObject({ vacated: 100 });
  expect(await surveyed()).toMatchObject({ vacated: 100 });
  expect(await surveyed()).toMatchObject({ vacated: 20 });
  expect(await surveyed()).toMatchObject({ vacated: 0 });
  expect(await holder.registry.inspect(RESOURCE)).toMatchObject({ held: 30, revoking: 220 });
});

test('a lease whose session nobody has told of may be connecting: it stays', async () => {
  const config = holder.config;
  const ask = { leaseId: 'a'.repeat(16), again: false, stamp: 0, holder: 'u', group: 'g', wait: false };
  await holder.registry.grant({ resource: RESOURCE, ...ask, settings: settingsOf(config) });
  clock.advance(holder.settings.protectMs);
  expect(await surveyed()).toMatchObject({ vacated: 0 });
  expect(await holder.registry.inspect(RESOURCE)).toMatchObject({ held: LEASES + 1, revoking: 0 });
});

test('a registry that learns is left to its census', async () => {
  await holder.registry.forget(RESOURCE);
  await holder.registry.configure(RESOURCE, holder.settings, false);
  expect(await surveyed()).toBeUndefined();
  expect(looked).toBe(1);
  expect(await holder.registry.inspect(RESOURCE)).toMatchObject({ held: 0 });
});

test('sessions of nobody count as the last look shows them, and not where the registry refuses the word', async () => {
  const counts = [5, 2];
  const counting = {
    census: async () => ({ sessions: [...all(), ...strangersOf(1)], foreign: counts[looked++] ?? 0 }),
  } as unknown as DriverConnection<unknown>;
  expect(await surveyed(counting)).toMatchObject({ foreign: 2, adopted: 1 });
  expect(await holder.registry.inspect(RESOURCE)).toMatchObject({ foreign: 2 });
  // It has lost its memory between the look and the word.
  const losing = {
    census: async () => {
      looked += 1;
      if (looked === 4) {
        await holder.registry.forget(RESOURCE);
        clock.advance(1);
        await holder.registry.configure(RESOURCE, holder.settings, true);
      }
      return { sessions: [...all(), ...strangersOf(2)], foreign: 0 };
    },
  } as unknown as DriverConnection<unknown>;
  expect(await surveyed(losing)).toBeUndefined();
  expect(looked).toBe(4);
});

test('a session that is there at the second look was only being opened', async () => {
  clock.advance(holder.settings.protectMs);
  looks = [all().slice(2), all().slice(1)];
  expect(await surveyed()).toMatchObject({ vacated: 1 });
});

test('L6 a lease that is renewed between the look and the word stays', async () => {
  clock.advance(holder.settings.protectMs);
  const [first] = leases;
  if (first === undefined) throw new Error('no lease');
  looks = [all().slice(1)];
  const { id, fence } = first;
  const census = connection.census.bind(connection);
  const renewing = {
    census: async (prefix: string, timeoutMs: number) => {
      const seen = await census(prefix, timeoutMs);
      if (looked === 2) await holder.registry.renew(RESOURCE, 'h0', [{ id, fence, turn: 2, idle: false }]);
      return seen;
    },
  } as unknown as DriverConnection<unknown>;
  expect(await surveyed(renewing)).toMatchObject({ vacated: 0 });
  expect(looked).toBe(2);
});
