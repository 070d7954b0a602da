import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { LIMITS, SCHEMA } from '../../lib/core/limits.ts';
import { type RedisHarness, redisHarness, Scene, scriptsOver } from '../support/registry-harness.ts';
import { freshNamespace, redisUrl } from '../support/servers.ts';

/** What a server tells of itself. */
interface Primary {
  readonly run: string;
  readonly history: string;
  /** The history before its own promotion. */
  readonly before?: string;
  readonly role?: string;
  /** Its name in a cluster, and the cluster as it sees it. */
  readonly node?: string;
  readonly nodes?: string;
}

const NEVER = '0'.repeat(40);
const A: Primary = { run: 'a1', history: 'ha' };
/** A's replica, promoted. */
const B: Primary = { run: 'b1', history: 'hb', before: 'ha' };
/** B's replica, promoted. */
const C: Primary = { run: 'c1', history: 'hc', before: 'hb' };

/** The script as it is, but for its clock and for who answers: that the test says. */
const CLOCK = "local function clock() return tonumber(redis.call('GET', KEYS[3])) end";
const TOLD = `local answers = { server = ARGV[1], replication = ARGV[2], MYID = ARGV[3], NODES = ARGV[4] }
local function told(_, what) return answers[what] ~= '' and answers[what] or { err = 'ERR refused' } end`;
const SCRIPT = `${TOLD}\n${scriptsOver(CLOCK).primary.text.replaceAll('redis.pcall(', 'told(')}`;

const answersOf = ({ run, history, before = NEVER, role = 'master', node = '', nodes = '' }: Primary) => [
  `# Server\r\nredis_version:7.0\r\nrun_id:${run}\r\n`,
  `# Replication\r\nrole:${role}\r\nmaster_replid:${history}\r\nmaster_replid2:${before}\r\n`,
  node,
  nodes,
];

describe('L13 a primary that has changed may have forgotten the last steps: the registry learns', () => {
  let harness: RedisHarness;
  let it: Scene;
  let scenes = 0;

  beforeAll(async () => {
    harness = await redisHarness(redisUrl(), freshNamespace());
  });
  afterAll(() => harness.close());
  beforeEach(async () => {
    scenes += 1;
    it = await new Scene(harness, `primary-${scenes}`, { capacity: 4 }).start();
    await harness.client.hdel(harness.keysOf(it.resource)[0] ?? '', ' primary');
    // Long after the epoch began.
    it.advance(LIMITS.distrustMs);
  });

  const tell = async (...answers: readonly string[]): Promise<unknown> => {
    const keys = harness.keysOf(it.resource);
    await harness.client.set(keys[2] ?? '', harness.clockMs);
    return harness.client.eval(SCRIPT, keys.length, ...keys, ...answers);
  };
  const look = (primary: Primary): Promise<unknown> => tell(...answersOf(primary));
  const learning = ['done', 'learning'];
  const known = ['done', 'known'];

  test('the first look is remembered, the second changes nothing', async () => {
    expect(await look(A)).toEqual(known);
    const before = await it.report();
    expect(await look(A)).toEqual(known);
    expect(await it.report()).toEqual(before);
    expect(before.learningMs).toBe(0);
  });

  test('of a resource that is not known nothing is remembered', async () => {
    await it.registry.forget(it.resource);
    expect(await look(A)).toEqual(known);
    expect(await harness.client.exists(...harness.keysOf(it.resource).slice(0, 2))).toBe(0);
  });

  test('after a promotion everything is dropped, and nothing is granted before the quiet time is over', async () => {
    await look(A);
    for (const name of ['a', 'b', 'c']) await it.granted(name);
    await it.renew('a', { session: 'server1.a' });
    await it.abandon('c', { session: 'server1.c' });
    await it.granted('d');
    await it.queued('w');
    const { epoch } = await it.report();
    expect(await look(B)).toEqual(learning);
    expect(await it.report()).toMatchObject({
      held: 0,
      revoking: 0,
      waiters: 0,
      claims: 0,
      entries: [],
      groups: [],
    });
    expect((await it.report()).epoch).toBeGreaterThan(epoch);
    expect(await it.ask('x')).toEqual(it.denial('LEARNING', 5_000, 0));
    expect(await it.poll('w')).toMatchObject({ kind: 'lost' });
    expect(await it.renew('a')).toEqual({ kind: 'forgotten' });
    expect(await it.again('a')).toMatchObject({ kind: 'held' });
    expect(await look(B)).toEqual(known);
    expect(await it.report()).toMatchObject({ held: 1 });
    it.advance(5_000);
    const { census } = await it.renewAll('a');
    expect(await it.adopt(census ?? { epoch: 0, token: 0 }, ['a', 'b'], 0)).toBe('adopted');
    expect(await it.report()).toMatchObject({ held: 2, learningMs: 0 });
    await it.granted('y');
  });

  test('what operators have said stays: settings, control, shares; other shares come back with their groups', async () => {
    await look(A);
    await it.granted('a', { group: 'mailer', share: { min: 1, max: 2, priority: 0 } });
    await it.resize(5, 2);
    await it.share('checkout', { min: 2, priority: 3 });
    await it.operate({ kind: 'drain' });
    const before = await it.report();
    expect(await look(B)).toEqual(learning);
    const { settings, version, control } = before;
    expect(await it.report()).toMatchObject({ settings, version, control });
    expect((await it.report()).groups).toMatchObject([{ name: 'checkout', min: 2, priority: 3, taken: 0 }]);
    expect(await it.share('mailer', { min: 1 })).toBe('done');
    expect(await it.share('web', { min: 1 })).toBe('refused');
  });

  test('L7 fences rise across it', async () => {
    await look(A);
    const { fence } = await it.granted('a');
    await look(B);
    await it.registry.configure(it.resource, it.settings, true);
    expect((await it.granted('b')).fence).toBeGreaterThan(fence);
  });

  test('a census of the time before is refused', async () => {
    await look(A);
    const census = await it.census();
    it.advance(1);
    await look(B);
    expect(await it.adopt(census, ['a'], 0)).toBe('refused');
  });

  test('each promotion counts, however soon', async () => {
    await look(A);
    expect(await look(B)).toEqual(learning);
    expect(await look(C)).toEqual(learning);
    expect(await look(C)).toEqual(known);
  });

  test('a history that begins anew with the first replica is no change, and the one that a promotion is known by', async () => {
    await look(A);
    expect(await look({ ...A, history: 'ha2' })).toEqual(known);
    await it.registry.configure(it.resource, it.settings, true);
    expect(await look({ run: 'b1', history: 'hb', before: 'ha2' })).toEqual(learning);
  });

  test.each<[string, Primary]>([
    ['a restart', { run: 'a2', history: 'ha3' }],
    ['a primary that was a replica in between', { ...A, history: 'ha4', before: 'hb' }],
  ])('%s is a change, but not again and again', async (_, primary) => {
    await look(A);
    expect(await look(primary)).toEqual(learning);
    it.advance(LIMITS.distrustMs - 1);
    const third = { run: 'z1', history: 'hz' };
    expect(await look(third)).toEqual(known);
    expect(await look(primary)).toEqual(known);
    it.advance(1);
    // It was not trusted meanwhile: it only had to wait.
    expect(await look(third)).toEqual(learning);
  });

  describe('in a cluster', () => {
    const owner: Primary = { ...A, node: 'node1' };
    const other: Primary = { run: 'b1', history: 'hb', node: 'node2' };
    const lines = (flags: string): string =>
      `node2 127.0.0.1:2@12 myself,master - 0 0 2 connected 0-9\nnode1 127.0.0.1:1@11 ${flags} - 0 0 1 connected\n`;

    test.each<[string, Primary, 'known' | 'learning']>([
      ['moved away from a living primary', { ...other, nodes: lines('master') }, 'known'],
      [
        'moved to one that was promoted long ago',
        { ...other, before: 'hx', nodes: lines('master') },
        'known',
      ],
      ['taken over by its replica', { ...other, before: 'ha', nodes: lines('master,fail') }, 'learning'],
      [
        'taken over while the former owner lives',
        { ...other, before: 'ha', nodes: lines('master') },
        'learning',
      ],
      ['taken from a dead node', { ...other, nodes: lines('master,fail') }, 'learning'],
      ['taken from one that is suspected', { ...other, nodes: lines('master,fail?') }, 'learning'],
      ['taken from one that is a replica now', { ...other, before: 'hx', nodes: lines('slave') }, 'learning'],
      ['taken from one that nobody knows', { ...other, nodes: 'node2 127.0.0.1:2@12 master\n' }, 'learning'],
      ['with a node that does not tell of others', other, 'learning'],
      ['with a restarted node', { ...owner, run: 'a2', history: 'ha2', nodes: lines('master') }, 'learning'],
    ])('a slot %s: %j', async (_, primary, word) => {
      await look(owner);
      await it.granted('a');
      expect(await look(primary)).toEqual(['done', word]);
      expect(await it.report()).toMatchObject({ held: word === 'known' ? 1 : 0 });
      expect(await look(primary)).toEqual(known);
    });
  });

  test('a replica is told from a primary, and nothing is changed', async () => {
    await look(A);
    expect(await look({ ...B, role: 'slave' })).toEqual(['done', 'replica']);
    expect(await look(A)).toEqual(known);
  });

  test.each([
    ['refuses INFO', ['', '']],
    ['tells nothing', ['# Server\r\n', '# Replication\r\n']],
  ])('a service that %s is not compared', async (_, answers) => {
    await look(A);
    expect(await tell(...answers, '', '')).toEqual(['done', 'blind']);
    expect(await it.report()).toMatchObject({ learningMs: 0 });
  });

  test('L14 what a newer version keeps is left to it', async () => {
    await harness.client.hset(harness.keysOf(it.resource)[0] ?? '', 'schema', SCHEMA + 1);
    expect(await look(B)).toEqual(['upgrade', SCHEMA + 1]);
  });
});
