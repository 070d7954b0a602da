import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { E2eService, REFUSAL } from './e2e-service.ts';

const CAPACITY = 10;
const REQUESTS = 100;
const TIMEOUT_MS = 60_000;

let service: E2eService;

beforeAll(async () => {
  service = await E2eService.start({ capacity: CAPACITY, environmentsMax: 1, maxConcurrency: 32 });
}, TIMEOUT_MS);
afterAll(() => service?.[Symbol.asyncDispose](), TIMEOUT_MS);

test(
  'one process serves many invocations at once in its worker threads, and its pools share the capacity',
  async () => {
    const customers = Array.from({ length: REQUESTS }, (_, at) => `customer ${at}`);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, service.environments[0]?.runningCount ?? 0);
    }, 1);
    const answers = await Promise.all(customers.map((customer) => service.post(customer)));
    clearInterval(watch);

    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    expect(most).toBeGreaterThan(1);
    expect(service.environments.length).toBe(1);
    // It is never frozen; the sweeper, an ordinary function here too, was.
    expect(service.events.filter((event) => event.kind === 'frozen')).toEqual([]);
    const written = (await service.database.orders()).map((order) => order.customer);
    expect(written.toSorted()).toEqual(customers.toSorted());
    expect((await service.database.sessions()).length).toBeLessThanOrEqual(CAPACITY);
    expect(await service.database.refusals()).toBe(0);
    expect(service.linesWith(REFUSAL)).toEqual([]);
  },
  TIMEOUT_MS,
);
