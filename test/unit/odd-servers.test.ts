import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import pg from 'pg';
import type { Driver } from '../../lib/driver/driver.ts';
import { mysqlDriver } from '../../lib/driver/mysql.ts';
import { postgresDriver } from '../../lib/driver/postgres.ts';
import { eventually } from '../support/eventually.ts';
import { type Leaving, type Script, ScriptedServer } from '../support/scripted-server.ts';
import { chooseSeed, SeededRandom } from '../support/seeded-random.ts';

/** Long enough for a loopback; whatever is silent for so long counts as gone. */
const TIMEOUT_MS = 60;
/** The bound, and what a busy machine adds to it. */
const ANSWER_MS = 3_000;
const RUNS = 30;

let server: ScriptedServer;

beforeAll(async () => {
  server = await ScriptedServer.start();
});
beforeEach(() => {
  // What `mysql2` thinks of such servers.
  for (const method of ['error', 'trace'] as const)
    jest.spyOn(console, method).mockImplementation(() => undefined);
});
afterAll(() => server[Symbol.asyncDispose]());

const bytes = (...parts: (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([...part]))));

const packet = (sequence: number, body: Buffer): Buffer => bytes([body.length, 0, 0, sequence], [...body]);
const failure = (sequence: number, errno: number): Buffer =>
  packet(sequence, bytes([0xff, errno & 0xff, errno >> 8], '#HY000no'));

const MYSQL = {
  hello: packet(
    0,
    bytes(
      [10],
      ...['11.4.2-MariaDB\0', [1, 0, 0, 0], 'abcdefgh\0', [0xff, 0xf7, 33, 2, 0, 0xff, 0x81, 21]],
      ...[Array.from({ length: 10 }, () => 0), 'abcdefghijkl\0', 'mysql_native_password\0'],
    ),
  ),
  welcome: packet(2, bytes([0, 0, 0, 2, 0, 0, 0])),
  answer: packet(1, bytes([0, 0, 0, 2, 0, 0, 0])),
  cutShort: packet(1, bytes([0xfe])),
  tooMany: failure(0, 1040),
  wrongPassword: failure(2, 1045),
  stopping: failure(0, 1053),
  killed: failure(1, 1927),
};

const message = (type: string, body: Buffer): Buffer => bytes(type, [0, 0, 0, body.length + 4], [...body]);

const POSTGRES = {
  welcome: bytes(
    [...message('R', bytes([0, 0, 0, 0]))],
    [...message('K', bytes([1, 1, 1, 1, 1, 1, 1, 1]))],
    [...message('Z', bytes('I'))],
  ),
  password: message('R', bytes([0, 0, 0, 3])),
  scram: message('R', bytes([0, 0, 0, 10], 'SCRAM-SHA-256\0\0')),
  scramBefore: message('R', bytes([0, 0, 0, 11], 'r=x')),
  row: message('D', bytes([0, 0])),
  complete: bytes([...message('C', bytes('SELECT 1\0'))], [...message('Z', bytes('I'))]),
  noTls: bytes('N'),
  tooMany: message('E', bytes('SFATAL\0VFATAL\0C53300\0Mno\0\0')),
  stopping: message('E', bytes('SFATAL\0VFATAL\0C57P01\0Mno\0\0')),
};

interface Dialect {
  readonly driver: () => Driver<unknown>;
  readonly phrases: readonly Buffer[];
  /** How a login begins that this server would take. */
  readonly login: readonly Buffer[];
}

const address = () => ({ host: '127.0.0.1', port: server.port, user: 'me', password: 'hunter2' });
const OF_MYSQL = { phrases: Object.values(MYSQL), login: [MYSQL.hello, MYSQL.welcome] };

const DIALECTS: Readonly<Record<string, Dialect>> = {
  mysql2: { ...OF_MYSQL, driver: () => mysqlDriver<unknown>(mysql, address()) },
  'mysql2/promise': { ...OF_MYSQL, driver: () => mysqlDriver<unknown>(mysqlPromise, address()) },
  pg: {
    driver: () => postgresDriver(pg, { ...address(), database: 'orders' }),
    phrases: Object.values(POSTGRES),
    login: [POSTGRES.welcome],
  },
};

/** Opens, and closes what is open; then nothing may be left. Whatever is thrown elsewhere fails the test. */
const meet = async ({ driver }: Dialect, script: Script): Promise<string> => {
  server.script = script;
  const startedAt = performance.now();
  const opened = await driver().open({
    label: 'lh:orders.abc123:aaaaaaaaaaaaaaaa:1',
    idleMs: 60_000,
    timeoutMs: TIMEOUT_MS,
    gate: () => undefined,
  });
  expect(performance.now() - startedAt).toBeLessThan(ANSWER_MS);
  if (opened.kind === 'open') await opened.connection.close(TIMEOUT_MS);
  else expect(opened.error.message).not.toContain('hunter2');
  await eventually(() => server.connections === 0, { what: 'the end of every socket' });
  return opened.kind;
};

describe.each(Object.entries(DIALECTS))('%s: whatever a server says', (_, dialect) => {
  test('open is answered in time, nothing is thrown elsewhere, and no socket is left', async () => {
    const seed = chooseSeed();
    const random = new SeededRandom(seed);
    const phrase = (): Buffer =>
      random.chance(0.1)
        ? Buffer.from(Array.from({ length: random.whole(1, 200) }, () => random.whole(0, 255)))
        : Buffer.concat(Array.from({ length: random.whole(1, 3) }, () => random.pick(dialect.phrases)));
    for (let run = 0; run < RUNS; run += 1) {
      const begin = random.chance(0.6) ? dialect.login : [];
      const says = [...begin, ...Array.from({ length: random.whole(0, 4) }, phrase)];
      const script = { says, leaving: random.pick<Leaving>(['stays', 'ends', 'resets']) };
      const told = `run ${run} of LEASEHOLD_SEED=${seed}: ${says.map((it) => it.toString('hex')).join(' ')}`;
      await meet(dialect, script).catch((error: unknown) => {
        throw new Error(told, { cause: error });
      });
    }
  }, 60_000);
});

describe.each(['mysql2', 'mysql2/promise'])('%s: a server that', (name) => {
  const dialect = DIALECTS[name] as Dialect;

  test.each([
    ['ends the session', MYSQL.stopping],
    ['says something that nobody has asked for', MYSQL.answer],
  ])('%s right behind its yes to the login is heard, and is no crash', async (_, last) => {
    const says = [MYSQL.hello, Buffer.concat([MYSQL.welcome, last])];
    expect(await meet(dialect, { says, leaving: 'ends' })).not.toBe('open');
  });

  test('cuts a message short is no crash', async () => {
    const says = [MYSQL.hello, MYSQL.welcome, MYSQL.cutShort];
    expect(await meet(dialect, { says, leaving: 'ends' })).not.toBe('open');
  });
});
