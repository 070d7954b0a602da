import { expect } from '@jest/globals';
import { eventually, pause } from './eventually.ts';

const CALLERS = 8;

/** A table under load, and the server below it. */
export interface RestartScenario {
  /** One of them; callers take turns at several. */
  readonly inserts: readonly ((id: number) => Promise<unknown>)[];
  restart(): Promise<void>;
  rows(): Promise<readonly number[]>;
  /** An error that says what has happened, and that another try may help. */
  isClear(error: unknown): boolean;
}

/** Callers write without a pause while the server restarts: each sees one error at most, and nothing is lost or written twice. */
export const restartUnderLoad = async ({
  inserts,
  restart,
  rows,
  isClear,
}: RestartScenario): Promise<void> => {
  const acknowledged: number[] = [];
  const tried: number[] = [];
  const failures: unknown[][] = [];
  let isOver = false;
  const live = async (caller: number): Promise<void> => {
    const insert = inserts[caller % inserts.length] as (id: number) => Promise<unknown>;
    const seen: unknown[] = [];
    failures.push(seen);
    for (let n = 0; !isOver; n += 1) {
      const id = caller * 1_000_000 + n;
      tried.push(id);
      await insert(id).then(
        () => acknowledged.push(id),
        (error: unknown) => seen.push(error),
      );
      await pause(5);
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, (_, caller) => live(caller)));
  await pause(400);
  await restart();
  const before = acknowledged.length;
  await eventually(() => acknowledged.length > before + 10 * CALLERS, { timeoutMs: 20_000 });
  isOver = true;
  await callers;

  for (const seen of failures) expect(seen.length).toBeLessThanOrEqual(1);
  expect(failures.flat().filter((error) => !isClear(error))).toEqual([]);
  const ids = await rows();
  expect(new Set(ids).size).toBe(ids.length);
  expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
  expect(ids.filter((id) => !tried.includes(id))).toEqual([]);
};
