import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type {
  ConnectionEnd,
  Driver,
  DriverConnection,
  DriverException,
  DriverExceptions,
  OpenRequest,
  OpenResult,
} from '../../lib/driver/driver.ts';
import { eventually, pause } from '../support/eventually.ts';
import { freshPrefix } from '../support/servers.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** What a driver's author wires up: a real server, with a fresh user for each test. */
export interface DriverHarness<Client> {
  /** What the driver declares that it keeps only in part: tests of those promises are skipped, and printed with the reason. */
  readonly exceptions?: DriverExceptions;
  /** A fresh user whom the server itself allows `limit` connections. */
  setUp(limit: number): Promise<DriverWorld<Client>>;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface DriverWorld<Client> {
  readonly address: Address;
  /** Nothing that the driver shows may contain it. */
  readonly password: string;
  /** A driver for the fresh user; through another address, or with another password. */
  driver(options?: { readonly address?: Address; readonly password?: string }): Driver<Client>;
  /** The same for somebody else on the same database. */
  foreignDriver(): Driver<Client>;
  /** One statement of the borrower; resolves with its only value. */
  run(client: Client, statement: string): Promise<unknown>;
  /** The labels that the server's own list shows for the fresh user and the foreign one, sorted. */
  labels(): Promise<string[]>;
  /**
   * A process that opens a connection under this label, calls `keepAlive(isWanted)`, writes a line to its output, and does
   * nothing more.
   */
  hold(label: string, isWanted: boolean): ChildProcess;
  /** Ends the sessions under this label, as an administrator. */
  kill(label: string): Promise<void>;
  readonly statements: {
    /** Answers with the number. */
    value(n: number): string;
    begin: string;
    /** Fails, and so leaves a transaction in error where the engine has such a state. */
    fail: string;
    sleep(ms: number): string;
  };
}

const TIMEOUT_MS = 3_000;
const PREFIX = freshPrefix();

type Law = (title: string, work: () => Promise<void>) => void;

/** A test of a promise that an engine may be unable to keep in full. */
const unlessExcepted =
  (driver: string, { exceptions = {} }: { readonly exceptions?: DriverExceptions }) =>
  (exception: DriverException): Law => {
    const reason = exceptions[exception];
    if (reason === undefined) return test;
    return (title, work) => {
      process.stderr.write(`${driver} does not keep in full: ${title}\n  ${reason}\n`);
      test.skip(`${title} (${reason})`, work);
    };
  };

/** The promises D1-D9 of lib/driver/driver.ts, for any driver whose server knows sessions. */
export const describeDriver = <Client>(name: string, harness: DriverHarness<Client>): void => {
  describe(`${name} keeps the driver's promises`, () => {
    let world: DriverWorld<Client>;
    let proxy: TcpProxy;
    let sent: string;
    let limit: number;
    const opened: DriverConnection<Client>[] = [];
    const unless = unlessExcepted(name, harness);
    /** A test of what the server does with a connection between statements. */
    const live = unless('session');
    /** A test that shuts the gate right after a statement. */
    const tick = unless('gate-in-the-tick');
    const { exceptions = {} } = harness;
    /** The shortest idle time that every server can count. */
    const idleMs = exceptions['idle-in-ms'] === undefined ? 300 : 1_000;

    const request = (changes: Partial<OpenRequest> = {}): OpenRequest => ({
      label: `${PREFIX}lease:1`,
      idleMs: 60_000,
      timeoutMs: TIMEOUT_MS,
      gate: () => undefined,
      ...changes,
    });
    const mustOpen = async (
      changes: Partial<OpenRequest> = {},
      driver = world.driver(),
    ): Promise<DriverConnection<Client>> => {
      const result = await driver.open(request(changes));
      if (result.kind !== 'open') throw result.error;
      opened.push(result.connection);
      return result.connection;
    };
    const throughProxy = (): Driver<Client> => world.driver({ address: proxy });
    const open = (driver: Driver<Client>, changes: Partial<OpenRequest> = {}): Promise<OpenResult<Client>> =>
      driver.open(request(changes));
    const ends = (connection: DriverConnection<Client>): ConnectionEnd[] => {
      const list: ConnectionEnd[] = [];
      connection.onEnd((end) => list.push(end));
      return list;
    };
    const firstEnd = (connection: DriverConnection<Client>): Promise<ConnectionEnd> =>
      new Promise((resolve) => connection.onEnd(resolve));

    const start = async (allowed: number): Promise<void> => {
      limit = allowed;
      world = await harness.setUp(limit);
      sent = '';
      proxy = await startTcpProxy({
        ...world.address,
        onClientData: (data) => {
          sent += data.toString('latin1');
          return undefined;
        },
      });
    };
    beforeEach(() => start(5));
    afterEach(async () => {
      await proxy.stop();
      await Promise.all(opened.splice(0).map((connection) => connection.close(500)));
    });

    test('what is declared is what the suite was told', () => {
      expect(world.driver().exceptions ?? {}).toEqual(exceptions);
    });

    describe('D1 one attempt', () => {
      live('D1 open answers refused when the server has no connection left', async () => {
        for (let n = 0; n < limit; n += 1) await mustOpen({ label: `${PREFIX}lease${n}:1` });
        const result = await open(world.driver());
        expect(result).toMatchObject({ kind: 'refused', failure: 'refused' });
        expect((await world.labels()).length).toBe(limit);
      });

      test('D1 open answers refused when nobody listens, because there never was a connection', async () => {
        await proxy.refuse();
        expect(await open(throughProxy())).toMatchObject({ kind: 'refused', failure: 'unreachable' });
        expect(
          await open(world.driver({ address: { host: 'no-such-host.invalid', port: 5432 } })),
        ).toMatchObject({
          kind: 'refused',
          failure: 'unreachable',
        });
      });

      test('D1 a wrong password is refused, told apart, and shown to nobody', async () => {
        const password = 'wrong-s3cret';
        const result = await open(world.driver({ password }));
        expect(result).toMatchObject({ kind: 'refused', failure: 'auth' });
        const shown = `${inspect(result, { depth: 9, showHidden: true })} ${JSON.stringify(result)}`;
        expect(shown).not.toContain(password);
        expect(shown).not.toContain(world.password);
      });

      test('D1 a login that the network cuts is unknown, and no second attempt is made', async () => {
        proxy.dropReplies();
        expect(await open(throughProxy())).toMatchObject({ kind: 'unknown', failure: 'cut' });
        expect(proxy.counters.accepted).toBe(1);
      });

      test('D1 a login that the network cuts after the server has answered is unknown', async () => {
        let answers = 0;
        proxy.dropReplies(() => {
          answers += 1;
          return answers === 1;
        });
        expect((await open(throughProxy())).kind).toBe('unknown');
        expect(proxy.counters.accepted).toBe(1);
      });
    });

    describe('D2 in time', () => {
      for (const direction of ['up', 'down', 'both'] as const) {
        test(`D2 a server that stalls (${direction}) is answered unknown at the bound, the socket destroyed`, async () => {
          proxy.stall(direction);
          const startedAt = performance.now();
          expect(await open(throughProxy(), { timeoutMs: 200 })).toMatchObject({
            kind: 'unknown',
            failure: 'timeout',
          });
          expect(performance.now() - startedAt).toBeLessThan(600);
          expect(proxy.counters.accepted).toBe(1);
          proxy.pass();
          await eventually(() => proxy.connections() === 0, { what: 'the end of the proxied connection' });
          await eventually(async () => (await world.labels()).length === 0, {
            what: 'the end of the session',
          });
        });
      }
    });

    describe('D3 labelled from birth', () => {
      unless('label-from-birth')(
        'D3 the server shows the label as soon as the session can be seen, all 63 bytes of it',
        async () => {
          const label = `lh:${'r'.repeat(20)}.abcdef:${'L'.repeat(16)}:1y2p0ij32e8e7`.padEnd(63, '9');
          const driver = throughProxy();
          proxy.delay(20, 'down');
          const opening = mustOpen({ label }, driver);
          // An empty label is one as well: whatever is shown first must be it.
          const shown = await eventually(
            async () => {
              const labels = await world.labels();
              return labels.length > 0 && labels;
            },
            { what: 'a session', everyMs: 1 },
          );
          expect(shown).toEqual([label]);
          await opening;
        },
      );

      test('D3 a session is named in the alphabet that the registry takes', async () => {
        const connection = await mustOpen();
        expect(connection.server).toMatch(/^[0-9a-z]{1,24}$/);
        expect(connection.session).toMatch(/^[0-9a-z.]{1,60}$/);
        expect(connection.session.startsWith(`${connection.server}.`)).toBe(true);
        const other = await mustOpen({ label: `${PREFIX}other:1` });
        expect(other.server).toBe(connection.server);
        expect(other.session).not.toBe(connection.session);
      });
    });

    describe('D4 the server lets go of an idle session', () => {
      live('D4 an idle session ends after idleMs with nobody’s help', async () => {
        // The server counts from its side's last word, which is before ours.
        const startedAt = performance.now();
        const connection = await mustOpen({ idleMs });
        await firstEnd(connection);
        expect(performance.now() - startedAt).toBeGreaterThan(idleMs - 100);
        expect(connection.isOpen).toBe(false);
        expect(await world.labels()).toEqual([]);
      });

      live('D4 so does one that is idle inside a transaction', async () => {
        const connection = await mustOpen({ idleMs });
        await world.run(connection.client, world.statements.begin);
        await firstEnd(connection);
        expect(await world.labels()).toEqual([]);
      });

      unless('idle-in-ms')('D4 a part of a second is counted as it is', async () => {
        const connection = await mustOpen({ idleMs: 300 });
        const startedAt = performance.now();
        await firstEnd(connection);
        expect(performance.now() - startedAt).toBeLessThan(900);
      });

      unless('idle-end-seen')('D4 the end for idling is one that is seen', async () => {
        const connection = await mustOpen({ idleMs });
        expect((await firstEnd(connection)).endSeen).toBe(true);
      });

      test('D4 a statement starts the idle time anew', async () => {
        const connection = await mustOpen({ idleMs: idleMs + 100 });
        const list = ends(connection);
        for (let n = 0; n < 8; n += 1) {
          await pause(idleMs / 4);
          expect(await connection.check(TIMEOUT_MS)).toBe(true);
        }
        expect(list).toEqual([]);
      });
    });

    describe('D5 the end is seen or it is not', () => {
      test('D5 close says the end was seen only after the server’s own end', async () => {
        const connection = await mustOpen();
        const list = ends(connection);
        expect(await connection.close(TIMEOUT_MS)).toEqual({ endSeen: true });
        expect(list).toEqual([{ endSeen: true }]);
        expect(connection.isOpen).toBe(false);
        expect(await world.labels()).toEqual([]);
      });

      test('D5 close is idempotent, also at the same time and after the end', async () => {
        const connection = await mustOpen();
        const list = ends(connection);
        const both = await Promise.all([connection.close(TIMEOUT_MS), connection.close(1)]);
        expect([...both, await connection.close(TIMEOUT_MS)]).toEqual(new Array(3).fill({ endSeen: true }));
        expect(list.length).toBe(1);
      });

      test('D5 after close a new connect under a limit of 1 is never refused', async () => {
        await proxy.stop();
        await start(1);
        const driver = world.driver();
        for (let n = 0; n < 60; n += 1) {
          const connection = await mustOpen({}, driver);
          expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
        }
      });

      unless('killed-end-frees')(
        'D5 after an end that the server was seen to make, a new connect under a limit of 1 is never refused',
        async () => {
          await proxy.stop();
          await start(1);
          const driver = world.driver();
          for (let n = 0; n < 20; n += 1) {
            const connection = await mustOpen({}, driver);
            await world.kill(`${PREFIX}lease:1`);
            expect(await firstEnd(connection)).toMatchObject({ endSeen: true });
          }
        },
      );

      live('D5 a reset is not a seen end', async () => {
        const connection = await mustOpen({}, throughProxy());
        proxy.cut();
        expect(await firstEnd(connection)).toMatchObject({ endSeen: false });
        expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: false });
      });

      live('D5 a reset in answer to close is not a seen end', async () => {
        const connection = await mustOpen({}, throughProxy());
        proxy.stall();
        const closing = connection.close(TIMEOUT_MS);
        proxy.cut();
        expect(await closing).toMatchObject({ endSeen: false });
      });

      live('D5 close destroys what does not end in time, and says that it saw nothing', async () => {
        const connection = await mustOpen({}, throughProxy());
        const list = ends(connection);
        proxy.blackhole();
        const startedAt = performance.now();
        expect(await connection.close(150)).toMatchObject({ endSeen: false });
        expect(performance.now() - startedAt).toBeLessThan(600);
        expect(list.length).toBe(1);
      });

      test('D5 close waits for a statement that is still running, and sees the end after it', async () => {
        const connection = await mustOpen();
        const running = world.run(connection.client, world.statements.sleep(150)).catch(() => undefined);
        expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
        await running;
        expect(await world.labels()).toEqual([]);
      });

      unless('stop-on-close')(
        'D5 close tells a statement that would run for long to stop, and so sees the end soon',
        async () => {
          const connection = await mustOpen();
          const startedAt = performance.now();
          const running = expect(
            world.run(connection.client, world.statements.sleep(30_000)),
          ).rejects.toThrow();
          await eventually(async () => (await world.labels()).length === 1);
          expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
          expect(performance.now() - startedAt).toBeLessThan(1_000);
          await running;
          expect(await world.labels()).toEqual([]);
        },
      );

      test('D5 a borrower who ends the connection himself changes nothing about that', async () => {
        const connection = await mustOpen();
        const { end } = connection.client as { end?: () => unknown };
        await end?.call(connection.client);
        expect(await connection.close(TIMEOUT_MS)).toMatchObject({ endSeen: true });
        expect(connection.isOpen).toBe(false);
      });
    });

    describe('D6 the gate', () => {
      test('D6 no statement reaches the server while the gate is shut, and the order is kept', async () => {
        let openGate = (): void => undefined;
        let opening: Promise<void> | undefined;
        const connection = await mustOpen({ gate: () => opening }, throughProxy());
        opening = new Promise((resolve) => {
          openGate = resolve;
        });
        const before = proxy.counters.bytesUp;
        const answers = [11, 12, 13].map((n) => world.run(connection.client, world.statements.value(n)));
        await pause(60);
        expect(proxy.counters.bytesUp).toBe(before);
        opening = undefined;
        answers.push(world.run(connection.client, world.statements.value(14)));
        expect(proxy.counters.bytesUp).toBe(before);
        openGate();
        expect(await Promise.all(answers)).toEqual([11, 12, 13, 14]);
        const positions = [11, 12, 13, 14].map((n) => sent.indexOf(world.statements.value(n)));
        expect(positions).toEqual([...positions].sort((a, b) => a - b));
      });

      tick(
        'D6 a statement that was queued while the gate was open is not sent after it has shut',
        async () => {
          let opening: Promise<void> | undefined;
          const connection = await mustOpen({ gate: () => opening }, throughProxy());
          const first = world.run(connection.client, world.statements.sleep(120));
          const second = world.run(connection.client, world.statements.value(22));
          const failure = expect(second).rejects.toThrow('lease lost');
          opening = Promise.reject(new Error('lease lost'));
          opening.catch(() => undefined);
          await first;
          await failure;
          expect(sent).not.toContain(world.statements.value(22));
        },
      );

      tick('D6 a gate that rejects fails its statement, and only that one', async () => {
        let opening: Promise<void> | undefined = Promise.reject(new Error('lease lost'));
        opening.catch(() => undefined);
        const connection = await mustOpen({ gate: () => opening }, throughProxy());
        const failing = world.run(connection.client, world.statements.value(31));
        opening = undefined;
        const following = world.run(connection.client, world.statements.value(32));
        await expect(failing).rejects.toThrow('lease lost');
        expect(await following).toBe(32);
        expect(sent).not.toContain(world.statements.value(31));
      });

      test('D6 what the driver itself asks passes while the gate is shut', async () => {
        let opening: Promise<void> | undefined;
        const connection = await mustOpen({ gate: () => opening });
        await world.run(connection.client, world.statements.begin);
        opening = new Promise(() => undefined);
        expect(await connection.check(TIMEOUT_MS)).toBe(true);
        expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: true });
        expect(await connection.look([{ label: 'none' }], TIMEOUT_MS)).toEqual([false]);
      });

      tick('D6 so does what it asks behind a statement that is still running', async () => {
        let opening: Promise<void> | undefined;
        const connection = await mustOpen({ gate: () => opening });
        const running = world.run(connection.client, world.statements.sleep(60));
        opening = new Promise(() => undefined);
        expect(await connection.check(TIMEOUT_MS)).toBe(true);
        await running;
      });

      live('D6 a statement that waits at the gate fails when the connection ends', async () => {
        const label = `${PREFIX}gate:1`;
        let opening: Promise<void> | undefined;
        const connection = await mustOpen({ label, gate: () => opening }, throughProxy());
        opening = new Promise(() => undefined);
        const waiting = expect(world.run(connection.client, world.statements.value(41))).rejects.toThrow();
        await world.kill(label);
        await waiting;
        expect(sent).not.toContain(world.statements.value(41));
      });
    });

    describe('D7 end and look', () => {
      const label = (n: number): string => `${PREFIX}lease${n}:1`;

      live('D7 look shows the sessions of now, by label and by identity, at every call', async () => {
        const watcher = await mustOpen({ label: label(0) });
        const other = await mustOpen({ label: label(1) });
        const targets = [{ label: label(1) }, { label: 'gone', session: other.session }, { label: label(2) }];
        expect(await watcher.look(targets, TIMEOUT_MS)).toEqual([true, true, false]);
        await other.close(TIMEOUT_MS);
        expect(await watcher.look(targets, TIMEOUT_MS)).toEqual([false, false, false]);
      });

      live('D7 end ends exactly the sessions asked for, and tells of each what it saw', async () => {
        const worker = await mustOpen({ label: label(0) });
        const byLabel = await mustOpen({ label: label(1) });
        const bySession = await mustOpen({ label: label(2) });
        const spared = await mustOpen({ label: label(3) });
        const targets = [
          { label: label(1) },
          { label: 'renamed', session: bySession.session },
          { label: label(9), session: `${worker.server}.zz.zz` },
        ];
        expect(await worker.end(targets, TIMEOUT_MS)).toEqual(['seen', 'seen', 'absent']);
        expect(await firstEnd(byLabel)).toMatchObject({ endSeen: true });
        expect(await firstEnd(bySession)).toMatchObject({ endSeen: true });
        expect(await worker.look(targets, TIMEOUT_MS)).toEqual([false, false, false]);
        expect(await world.labels()).toEqual([label(0), label(3)]);
        expect(spared.isOpen).toBe(true);
      });

      unless('shared-label')('D7 a label ends every session that has it', async () => {
        const worker = await mustOpen({ label: label(0) });
        const both = [await mustOpen({ label: label(1) }), await mustOpen({ label: label(1) })];
        expect(await worker.end([{ label: label(1) }], TIMEOUT_MS)).toEqual(['seen']);
        for (const each of both) expect(await firstEnd(each)).toMatchObject({ endSeen: true });
      });

      test('D7 the sessions of another role are neither seen nor ended, whatever their label', async () => {
        const worker = await mustOpen({ label: label(0) });
        const foreign = await mustOpen({ label: label(1) }, world.foreignDriver());
        const targets = [{ label: label(1), session: foreign.session }];
        expect(await worker.look(targets, TIMEOUT_MS)).toEqual([false]);
        expect(await worker.end(targets, TIMEOUT_MS)).toEqual(['absent']);
        expect(await foreign.check(TIMEOUT_MS)).toBe(true);
      });

      test('D7 a session never ends itself', async () => {
        const worker = await mustOpen({ label: label(0) });
        const itself = [{ label: label(0), session: worker.session }];
        expect(await worker.end(itself, TIMEOUT_MS)).toEqual(['absent']);
        expect(await worker.check(TIMEOUT_MS)).toBe(true);
      });

      test('D7 labels are data: quotes, wildcards and commas match nothing but themselves', async () => {
        const worker = await mustOpen({ label: label(0) });
        const spared = await mustOpen({ label: label(1) });
        const hostile = ["' OR true --", '%', 'lh:%', '{a,b}', '"x"', 'NULL', '\\', label(1).toUpperCase()];
        const targets = hostile.map((text) => ({ label: text, session: `${text}.1.1` }));
        expect(await worker.end(targets, TIMEOUT_MS)).toEqual(hostile.map(() => 'absent'));
        expect(spared.isOpen).toBe(true);
        expect(await worker.look([], TIMEOUT_MS)).toEqual([]);
      });

      live('D7 another server’s session is not looked for here, only its label is', async () => {
        const worker = await mustOpen({ label: label(0) });
        const other = await mustOpen({ label: label(1) });
        const elsewhere = other.session.replace(other.server, 'otherserver');
        expect(await worker.end([{ label: 'renamed', session: elsewhere }], TIMEOUT_MS)).toEqual(['absent']);
        expect(other.isOpen).toBe(true);
        expect(await worker.look([{ label: label(1), session: elsewhere }], TIMEOUT_MS)).toEqual([true]);
      });

      test('D7 inside a transaction a look is refused, for it would show the past', async () => {
        const worker = await mustOpen({ label: label(0) });
        await world.run(worker.client, world.statements.begin);
        await expect(worker.look([{ label: label(1) }], TIMEOUT_MS)).rejects.toThrow('transaction');
        await expect(worker.end([{ label: label(1) }], TIMEOUT_MS)).rejects.toThrow('transaction');
        expect(await worker.check(TIMEOUT_MS)).toBe(true);
      });

      test('D7 a server that does not answer fails end and look at their bound', async () => {
        const worker = await mustOpen({ label: label(0) }, throughProxy());
        proxy.stall();
        await expect(worker.look([{ label: label(1) }], 100)).rejects.toThrow('100 ms');
        expect(worker.isOpen).toBe(false);
      });
    });

    describe('D9 the census', () => {
      const lease = (n: number): string => `${PREFIX}${String(n).padStart(16, 'L')}:${n}z`;

      const listed = async (looker: DriverConnection<Client>) => {
        const { sessions } = await looker.census(PREFIX, TIMEOUT_MS);
        return [...sessions].sort((a, b) => a.label.localeCompare(b.label));
      };

      live('D9 every session with the prefix is listed as it is bound, the looker’s own too', async () => {
        const looker = await mustOpen({ label: lease(1) });
        const other = await mustOpen({ label: lease(2) });
        expect(await listed(looker)).toEqual([
          { label: lease(1), session: looker.session },
          { label: lease(2), session: other.session },
        ]);
        await other.close(TIMEOUT_MS);
        expect(await listed(looker)).toEqual([{ label: lease(1), session: looker.session }]);
      });

      unless('census-of-all-roles')('D9 another role’s sessions are listed, too', async () => {
        const looker = await mustOpen({ label: lease(1) });
        const foreign = await mustOpen({ label: lease(2) }, world.foreignDriver());
        const [, theirs] = await listed(looker);
        expect(theirs?.label).toBe(lease(2));
        expect(theirs?.session.startsWith(`${foreign.server}.`)).toBe(true);
        expect(theirs?.session).toMatch(/^[0-9a-z.]{1,60}$/);
      });

      live(
        'D9 a label that only resembles the prefix is not listed, and what is no lease’s label is foreign',
        async () => {
          const looker = await mustOpen({ label: lease(1) });
          await mustOpen({ label: lease(2).replace('orders', 'order2') });
          await mustOpen({ label: `${PREFIX}no-fence:` });
          await mustOpen({ label: 'psql' });
          await mustOpen({ label: '' });
          await mustOpen({ label: 'psql' }, world.foreignDriver());
          const { sessions, foreign } = await looker.census(PREFIX, TIMEOUT_MS);
          expect(sessions.map(({ label }) => label)).toEqual([lease(1)]);
          expect(foreign).toBe(3);
        },
      );

      test('D9 the prefix is data: quotes and wildcards stand for themselves', async () => {
        const looker = await mustOpen({ label: lease(1) });
        for (const hostile of ["' OR true --", 'lh:%', 'lh:.*', 'lh:order_', '\\', '(']) {
          expect(await looker.census(hostile, TIMEOUT_MS)).toEqual({ sessions: [], foreign: 0 });
        }
      });

      test('D9 the looker’s own session is not foreign, whatever its label', async () => {
        const looker = await mustOpen({ label: 'psql' });
        expect(await looker.census(PREFIX, TIMEOUT_MS)).toEqual({ sessions: [], foreign: 0 });
      });

      test('D9 inside a transaction a census is refused, and one that is not answered fails at its bound', async () => {
        const inTransaction = await mustOpen({ label: lease(1) });
        await world.run(inTransaction.client, world.statements.begin);
        await expect(inTransaction.census(PREFIX, TIMEOUT_MS)).rejects.toThrow('transaction');
        const stalled = await mustOpen({ label: lease(2) }, throughProxy());
        proxy.stall();
        await expect(stalled.census(PREFIX, 100)).rejects.toThrow('100 ms');
      });
    });

    describe('D8 no unhandled events', () => {
      // An unhandled 'error' event or rejection fails the test that runs.
      live(
        'D8 the end of an idle connection arrives at onEnd once, and at once for whoever asks later',
        async () => {
          const connection = await mustOpen();
          const list = ends(connection);
          await world.kill(`${PREFIX}lease:1`);
          await firstEnd(connection);
          await pause(30);
          expect(list.length).toBe(1);
          expect(list[0]).toMatchObject({ endSeen: true, error: expect.any(Error) });
          expect(ends(connection)).toEqual(list);
          expect(await connection.check(TIMEOUT_MS)).toBe(false);
          expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: false });
        },
      );

      live(
        'D8 the end of a lent connection fails the statement that runs, and arrives at onEnd once',
        async () => {
          const connection = await mustOpen();
          const list = ends(connection);
          const running = expect(
            world.run(connection.client, world.statements.sleep(5_000)),
          ).rejects.toThrow();
          await eventually(async () => (await world.labels()).length === 1);
          await pause(20);
          await world.kill(`${PREFIX}lease:1`);
          await running;
          expect(await firstEnd(connection)).toMatchObject({ endSeen: true });
          expect(list.length).toBe(1);
          await expect(world.run(connection.client, world.statements.value(1))).rejects.toThrow();
        },
      );

      live('D8 a borrower who removes every listener changes nothing about that', async () => {
        const connection = await mustOpen({}, throughProxy());
        const { removeAllListeners } = connection.client as { removeAllListeners?: () => void };
        removeAllListeners?.call(connection.client);
        expect(await world.run(connection.client, world.statements.value(7))).toBe(7);
        proxy.cut();
        expect(await firstEnd(connection)).toMatchObject({ endSeen: false });
      });
    });

    describe('the statement timeout', () => {
      unless('statement-timeout')(
        'a statement that runs too long fails, and the connection stays usable',
        async () => {
          const connection = await mustOpen({ statementTimeoutMs: 80 });
          const startedAt = performance.now();
          await expect(world.run(connection.client, world.statements.sleep(5_000))).rejects.toThrow();
          expect(performance.now() - startedAt).toBeLessThan(1_000);
          expect(await world.run(connection.client, world.statements.value(3))).toBe(3);
          expect(connection.isClean).toBe(true);
        },
      );

      test('without one a statement takes the time that it takes', async () => {
        for (const statementTimeoutMs of [undefined, 0]) {
          const wanted = statementTimeoutMs === undefined ? {} : { statementTimeoutMs };
          const connection = await mustOpen(wanted);
          await world.run(connection.client, world.statements.sleep(150));
          await connection.close(TIMEOUT_MS);
        }
      });
    });

    describe('keepAlive', () => {
      const LABEL = `${PREFIX}kept:1`;

      live(
        'a process that holds nothing but a connection that need not keep it alive ends by itself',
        async () => {
          const child = world.hold(LABEL, false);
          expect(await once(child, 'exit')).toEqual([0, null]);
          await eventually(async () => (await world.labels()).length === 0);
        },
      );

      live('one whose connection keeps it alive stays until that ends', async () => {
        const child = world.hold(LABEL, true);
        const exited = once(child, 'exit');
        await once(child.stdout ?? child, 'data');
        await pause(300);
        expect(child.exitCode).toBeNull();
        await world.kill(LABEL);
        expect(await exited).toEqual([0, null]);
      });

      test('it changes nothing about what the connection can do, also once it has ended', async () => {
        const connection = await mustOpen();
        for (const isWanted of [false, false, true, true, false]) {
          connection.keepAlive(isWanted);
          expect(await world.run(connection.client, world.statements.value(8))).toBe(8);
        }
        expect(await connection.close(TIMEOUT_MS)).toEqual({ endSeen: true });
        connection.keepAlive(true);
      });
    });

    describe('check and reset', () => {
      live(
        'check answers false in time when the server does not answer, and the connection is over',
        async () => {
          const connection = await mustOpen({}, throughProxy());
          expect(await connection.check(TIMEOUT_MS)).toBe(true);
          proxy.stall('down');
          expect(await connection.check(100)).toBe(false);
          expect(connection.isOpen).toBe(false);
        },
      );

      test('reset ends an open transaction, also one in error', async () => {
        const connection = await mustOpen();
        await world.run(connection.client, world.statements.begin);
        expect(connection.isClean).toBe(false);
        expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: true });
        expect(connection.isClean).toBe(true);
        await world.run(connection.client, world.statements.begin);
        await expect(world.run(connection.client, world.statements.fail)).rejects.toThrow();
        expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: true });
        expect(await world.run(connection.client, world.statements.value(5))).toBe(5);
      });

      test('reset sees a transaction that the borrower did not wait for', async () => {
        const connection = await mustOpen();
        const begun = world.run(connection.client, world.statements.begin);
        expect(await connection.reset(TIMEOUT_MS)).toMatchObject({ isFit: true });
        expect(connection.isClean).toBe(true);
        await begun;
      });

      test('reset of a connection with a statement that runs on is false at the bound', async () => {
        const connection = await mustOpen();
        const running = world.run(connection.client, world.statements.sleep(400)).catch(() => undefined);
        const startedAt = performance.now();
        expect(await connection.reset(50)).toMatchObject({ isFit: false });
        expect(performance.now() - startedAt).toBeLessThan(350);
        await running;
      });
    });
  });
};
