import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { stateOf } from './e2e-service.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PROGRAM = fileOf('../local/local.ts');
const NODE = fileOf('../../node_modules/.bin/node');
const TIMEOUT_MS = 120_000;

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const start = (...parameters: readonly string[]) => {
  const child = spawn(NODE, [...parameters], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
};

interface Told {
  readonly kind: string;
  readonly pid?: number;
  readonly url?: string;
}

const isGone = async (pid: number): Promise<boolean> => [undefined, 'Z'].includes(await stateOf(pid));

describe('npm run local', () => {
  test('tells what it takes, and refuses what it does not know', async () => {
    const help = start(PROGRAM, '--help');
    expect(await text(help.stdout)).toContain('--max-environments');
    const wrong = start(PROGRAM, '--capacity', '0');
    const exit = once(wrong, 'exit');
    expect(await text(wrong.stderr)).toContain('It is a whole number from 1 to 200.');
    expect(await exit).toEqual([2, null]);
  });

  test(
    'serves orders, status and console, and leaves no process behind when it is interrupted',
    async () => {
      const local = start(PROGRAM, '--json', '--port', '0', '--max-environments', '4');
      const exit = once(local, 'exit');
      const complaints = text(local.stderr);
      const told: Told[] = [];
      createInterface(local.stdout).on('line', (line) => told.push(JSON.parse(line) as Told));
      const ready = (): Told | undefined => told.find(({ kind }) => kind === 'ready');
      await Promise.race([
        eventually(ready, { what: 'the service', timeoutMs: TIMEOUT_MS / 2, everyMs: 50 }),
        exit.then(async () => Promise.reject(new Error(await complaints))),
      ]);
      const url = ready()?.url ?? '';

      const posted = await fetch(`${url}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ customer: 'Ada', items: [{ sku: 'tea', quantity: 2 }] }),
      });
      expect(posted.status).toBe(201);
      const got = await fetch(url + posted.headers.get('location'));
      expect(await got.json()).toMatchObject({ customer: 'Ada', items: [{ sku: 'tea', quantity: 2 }] });
      const status = await fetch(`${url}/status`);
      expect([status.status, status.headers.get('content-type')]).toEqual([
        200,
        expect.stringContaining('application/json'),
      ]);
      const page = await fetch(`${url}/console`);
      expect([page.status, page.headers.get('content-type')]).toEqual([
        200,
        expect.stringContaining('text/html'),
      ]);

      local.kill('SIGINT');
      expect(await exit).toEqual([0, null]);
      const pids = told.flatMap(({ kind, pid }) => (kind === 'started' && pid !== undefined ? [pid] : []));
      expect(pids.length).toBeGreaterThanOrEqual(3);
      expect(await Promise.all(pids.map(isGone))).toEqual(pids.map(() => true));
    },
    TIMEOUT_MS,
  );
});

/** Starts a process, stops it as a frozen environment is, tells its id, and waits. */
const HOLDER = `
import { spawn } from 'node:child_process';
import { Keeper } from '${new URL('../local/keeper.ts', import.meta.url).href}';
const frozen = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
const done = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
const keeper = new Keeper();
keeper.add(frozen.pid);
keeper.add(done.pid);
keeper.remove(done.pid);
frozen.kill('SIGSTOP');
console.log(frozen.pid, done.pid);
setInterval(() => undefined, 1_000);
`;

test('a frozen environment does not outlive the local Lambda, however that ends', async () => {
  const holder = start('--input-type=module', '--eval', HOLDER);
  const [line] = await once(createInterface(holder.stdout), 'line');
  const [frozen = 0, other = 0] = String(line).split(' ').map(Number);
  try {
    await eventually(async () => (await stateOf(frozen)) === 'T');
    holder.kill('SIGKILL');
    await eventually(() => isGone(frozen), { what: 'its end' });
    expect(await isGone(other)).toBe(false);
  } finally {
    process.kill(other, 'SIGKILL');
  }
});
