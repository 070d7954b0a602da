import { describe, expect, test } from '@jest/globals';
import { HIDDEN_POLL_MS, POLL_MS, Poller, type Reply } from '../../functions/console/poller.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { unknownView } from '../support/fleet-view.ts';

const VIEW: Reply = { kind: 'view', view: unknownView() };
const SILENCE: Reply = { kind: 'silence', who: 'registry' };

/** A poller whose questions are answered with `reply`; `never` leaves them open. */
class World {
  reply: Reply | 'never' | 'error' = VIEW;
  readonly clock = new FakeClock();
  readonly heard: string[] = [];
  asked = 0;
  aborted = 0;
  readonly poller = new Poller({
    clock: this.clock,
    ask: (signal) => this.#ask(signal),
    hear: (reply) => this.heard.push(reply.kind === 'view' ? 'view' : reply.who),
  });

  async #ask(signal: AbortSignal): Promise<Reply> {
    this.asked += 1;
    signal.addEventListener('abort', () => {
      this.aborted += 1;
    });
    if (this.reply === 'error') throw new TypeError('Failed to fetch');
    if (this.reply !== 'never') return this.reply;
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new DOMException('Aborted', 'AbortError')));
    });
  }

  /** The questions within so long a time. */
  async during(ms: number): Promise<number> {
    const before = this.asked;
    await this.clock.advanceAsync(ms);
    return this.asked - before;
  }
}

const started = async (): Promise<World> => {
  const world = new World();
  world.poller.start();
  await world.clock.flush();
  return world;
};

describe('the poller', () => {
  test('asks at once, and then each two seconds', async () => {
    const world = await started();
    expect([world.asked, world.heard]).toEqual([1, ['view']]);
    expect(await world.during(10 * POLL_MS)).toBe(10);
  });

  test('never has two questions open', async () => {
    const world = await started();
    world.reply = 'never';
    expect(await world.during(POLL_MS + 9_999)).toBe(1);
  });

  test('gives an answer ten seconds', async () => {
    const world = await started();
    world.reply = 'never';
    await world.during(POLL_MS + 10_000);
    expect(world.heard).toEqual(['view', 'function']);
    expect(world.aborted).toBe(1);
  });

  test('asks ever less often while there is no answer, and as ever after the first one', async () => {
    const world = await started();
    world.reply = SILENCE;
    const delays: number[] = [];
    for (let at = 0; at < 7; at++) {
      await world.during(world.poller.delayMs);
      delays.push(world.poller.delayMs);
    }
    expect(delays).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    world.reply = VIEW;
    await world.during(30_000);
    expect(world.poller.delayMs).toBe(POLL_MS);
  });

  test('waits as long as it is told to', async () => {
    const world = await started();
    world.reply = { kind: 'silence', who: 'registry', retryAfterMs: 7_000 };
    await world.during(POLL_MS);
    expect(world.poller.delayMs).toBe(7_000);
  });

  test('takes a question that fails for a function that is silent', async () => {
    const world = await started();
    world.reply = 'error';
    await world.during(POLL_MS);
    expect(world.heard).toEqual(['view', 'function']);
  });

  test('asks seldom while nobody looks, and at once when somebody does', async () => {
    const world = await started();
    world.poller.setHidden(true);
    expect(await world.during(HIDDEN_POLL_MS - 1)).toBe(0);
    expect(await world.during(1)).toBe(1);
    world.poller.setHidden(false);
    await world.clock.flush();
    expect(world.asked).toBe(3);
  });

  test('asks nothing while it is paused, and hears no answer that comes late', async () => {
    const world = await started();
    world.reply = 'never';
    await world.during(POLL_MS);
    world.poller.pause();
    expect(world.poller.isPaused).toBe(true);
    world.reply = VIEW;
    world.poller.setHidden(true);
    world.poller.setHidden(false);
    expect(await world.during(100_000)).toBe(0);
    expect([world.heard, world.aborted]).toEqual([['view'], 1]);
    world.poller.resume();
    await world.clock.flush();
    expect(world.heard).toEqual(['view', 'view']);
  });
});
