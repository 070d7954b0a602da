import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { askStatus } from '../../functions/console/ask-status.ts';
import { verdictOf } from '../../functions/console/verdict.ts';
import { fleetView } from '../support/fleet-view.ts';

let fetched: jest.SpiedFunction<typeof fetch>;

beforeEach(() => {
  fetched = jest.spyOn(globalThis, 'fetch');
});
afterEach(() => fetched.mockRestore());

const asked = (body: unknown, init: ResponseInit = {}) => {
  fetched.mockResolvedValue(new Response(typeof body === 'string' ? body : JSON.stringify(body), init));
  return askStatus(AbortSignal.timeout(1_000));
};

test('a view is one', async () => {
  expect(await asked(fleetView())).toEqual({ kind: 'view', view: fleetView() });
  expect(fetched.mock.calls).toEqual([
    ['status', expect.objectContaining({ cache: 'no-store', redirect: 'manual' })],
  ]);
});

test.each([401, 403])('%i is for the reader to mend', async (status) => {
  expect(await asked('no', { status })).toEqual({ kind: 'silence', who: 'reader' });
});

test('so is a way to a login page', async () => {
  const redirect = Object.defineProperty(new Response(), 'type', { value: 'opaqueredirect' });
  fetched.mockResolvedValue(redirect);
  expect(await askStatus(AbortSignal.timeout(1_000))).toEqual({ kind: 'silence', who: 'reader' });
});

test('a registry that gives no answer is told from a function that gives none', async () => {
  const headers = { 'Retry-After': '7' };
  expect(await asked({ error: 'REGISTRY_UNREACHABLE' }, { status: 503, headers })).toEqual({
    ...{ kind: 'silence', who: 'registry', retryAfterMs: 7_000 },
  });
  for (const body of [{ error: 'INTERNAL' }, '<html>', 'null', ''])
    expect(await asked(body, { status: 500 })).toEqual({ kind: 'silence', who: 'function', retryAfterMs: 0 });
});

test('what is no view of this page’s schema is none, however well it went', async () => {
  for (const body of [{ ...fleetView(), schema: 2 }, {}, 'null', '[]'])
    expect(await asked(body)).toMatchObject({ kind: 'silence', who: 'function' });
  expect(await asked(fleetView(), { status: 500 })).toMatchObject({ kind: 'silence' });
});

test('sessions without a lease fill the fleet as leases do', () => {
  const view = fleetView();
  const full = { ...view.counts, capacity: 10, headroom: 2, held: 5, revoking: 0, claims: 0, foreign: 3 };
  const titles = (counts: typeof full): string[] => {
    const { title, others } = verdictOf({ ...view, counts });
    return [title, ...others.map(({ text }) => text)];
  };
  expect(titles({ ...full, waiters: 2 })).toContain('At capacity: 2 callers wait');
  expect(titles({ ...full, waiters: 2, foreign: 2 })).not.toContain('At capacity: 2 callers wait');
});
