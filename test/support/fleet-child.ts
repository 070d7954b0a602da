/** The program of one process of a fleet; `fleet-process.ts` starts it and tells it what to do. */
import { isLeaseholdError } from '../../lib/index.ts';
import { pause } from './eventually.ts';
import { type FleetPool, Member } from './fleet-member.ts';
import type { ChildCommand, ChildMessage, ChildSettings, LoadResult } from './fleet-messages.ts';

const { settings, pools: poolCount } = JSON.parse(process.env['LEASEHOLD_FLEET'] ?? '') as ChildSettings;

const tell = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message);
};

for (const accident of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(accident, (error: unknown) =>
    tell({ kind: 'accident', text: `${accident}: ${error instanceof Error ? error.stack : error}` }),
  );
}
process.on('disconnect', () => process.exit());

const member = new Member(settings);
const pools: FleetPool[] = Array.from({ length: poolCount }, () => member.pool());
for (const pool of pools) {
  pool.events.on('connectionFailed', ({ failure, error }) =>
    tell({ kind: 'event', name: 'connectionFailed', event: { failure, error: { message: error.message } } }),
  );
}

const poolAt = (at: number): FleetPool => {
  const pool = pools[at];
  if (pool === undefined) throw new RangeError(`There is no pool ${at}.`);
  return pool;
};

const use = (pool: FleetPool, statements: readonly string[], gapMs: number): Promise<unknown[]> =>
  pool.use(async (client) => {
    let rows: unknown[] = [];
    for (const [at, statement] of statements.entries()) {
      if (at > 0) {
        tell({ kind: 'mark', name: 'between' });
        await pause(gapMs);
      }
      const running = client.query(statement);
      tell({ kind: 'mark', name: 'sent' });
      ({ rows } = await running);
    }
    return rows;
  });

const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code') ?? error);

const load = async (statement: string, forMs: number): Promise<LoadResult> => {
  let served = 0;
  const failed: Record<string, number> = {};
  const until = performance.now() + forMs;
  const work = async (pool: FleetPool): Promise<void> => {
    do {
      try {
        await pool.use((client) => client.query(statement));
        served += 1;
      } catch (error) {
        failed[codeOf(error)] = (failed[codeOf(error)] ?? 0) + 1;
        await pause(10);
      }
    } while (performance.now() < until);
  };
  await Promise.all(pools.map(work));
  return { served, failed };
};

const obey = async (command: ChildCommand & { readonly id: number }): Promise<ChildMessage> => {
  const { id } = command;
  if (command.kind === 'use') {
    const rows = await use(poolAt(command.pool), command.statements, command.gapMs);
    return { kind: 'rows', id, rows };
  }
  if (command.kind === 'load')
    return { kind: 'loaded', id, result: await load(command.statement, command.forMs) };
  if (command.kind === 'close') await Promise.all(pools.map((pool) => pool.close()));
  return { kind: 'done', id };
};

process.on('message', async (command: ChildCommand & { readonly id: number }) => {
  try {
    tell(await obey(command));
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const code = isLeaseholdError(error) ? error.code : undefined;
    tell({ kind: 'failed', id: command.id, error: { name, code, message } });
  }
});

tell({ kind: 'mark', name: 'ready' });
