import { registryDelayMs } from '../../core/backoff.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { systemRandom } from '../../core/random.ts';
import type { Listener } from '../registry.ts';

/** What of an ioredis connection that only listens is used. */
interface Ear {
  readonly stream?: { unref?(): unknown };
  on(event: 'message', heard: (channel: string, text: string) => void): unknown;
  on(event: 'connect' | 'close' | 'error', happened: () => void): unknown;
  connect(): Promise<void>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  disconnect(): void;
}

/** What of an ioredis client (5 or 6) is used to open one; a cluster passes a message on to all its nodes, so any of them will do. */
export interface HearingClient {
  duplicate(options: object): unknown;
  nodes?(role: 'master'): readonly HearingClient[];
}

interface Channel {
  readonly hearers: Set<(leaseId: string) => void>;
  isSubscribed: boolean;
}

/** The connection outlives its last listener this long: waits come in bursts. */
const IDLE_MS = 5_000;

/** It is opened anew here, and every channel subscribed to anew: so `isReady` never says more than the server has confirmed. */
const OPTIONS = {
  lazyConnect: true,
  autoResubscribe: false,
  enableReadyCheck: false,
  retryStrategy: () => null,
  // Under Sentinel its own connections beside this one would outlive it.
  failoverDetector: false,
};

/**
 * Wake-ups for the callers of one registry object: one connection beside the commands', open while somebody listens. What
 * goes wrong with it is no error of anybody's: wake-ups are late then, and the callers poll. It keeps no process alive.
 */
export class WakeChannel {
  readonly #client: HearingClient;
  readonly #clock: Clock;
  readonly #channels = new Map<string, Channel>();
  #ear: Ear | undefined;
  #failures = 0;
  #closing: Timer | undefined;

  constructor(client: HearingClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  listen(name: string, onWake: (leaseId: string) => void): Listener {
    this.#closing?.cancel();
    const known = this.#channels.get(name);
    const channel = known ?? { hearers: new Set(), isSubscribed: false };
    // A hearer of its own for each listener: the same function may listen twice.
    const hearer = (leaseId: string): void => onWake(leaseId);
    channel.hearers.add(hearer);
    this.#channels.set(name, channel);
    if (this.#ear === undefined) this.#open();
    else if (known === undefined) void this.#subscribe(this.#ear, name);
    return {
      get isReady() {
        return channel.isSubscribed;
      },
      [Symbol.dispose]: () => this.#leave(name, channel, hearer),
    };
  }

  #leave(name: string, channel: Channel, hearer: (leaseId: string) => void): void {
    if (!channel.hearers.delete(hearer) || channel.hearers.size > 0) return;
    channel.isSubscribed = false;
    this.#channels.delete(name);
    this.#ear?.unsubscribe(name).catch(() => undefined);
    if (this.#channels.size > 0) return;
    this.#closing?.cancel();
    this.#closing = this.#clock.setBackgroundTimer(IDLE_MS, () => this.#close());
  }

  #close(): void {
    const ear = this.#ear;
    this.#ear = undefined;
    ear?.disconnect();
  }

  #open(): void {
    const client = this.#client.nodes === undefined ? this.#client : this.#client.nodes('master')[0];
    if (client === undefined) {
      // A cluster that has found none of its nodes yet.
      this.#openLater();
      return;
    }
    const ear = client.duplicate(OPTIONS) as Ear;
    this.#ear = ear;
    ear.on('error', () => undefined);
    ear.on('close', () => this.#lose(ear));
    ear.on('connect', () => void ear.stream?.unref?.());
    ear.on('message', (name, leaseId) => {
      for (const hear of [...(this.#channels.get(name)?.hearers ?? [])]) hear(leaseId);
    });
    ear
      .connect()
      .then(() => Promise.all([...this.#channels.keys()].map((name) => this.#subscribe(ear, name))))
      .catch(() => this.#lose(ear));
  }

  async #subscribe(ear: Ear, name: string): Promise<void> {
    const channel = this.#channels.get(name);
    try {
      await ear.subscribe(name);
    } catch {
      ear.disconnect();
      this.#lose(ear);
      return;
    }
    if (channel === undefined || this.#ear !== ear || this.#channels.get(name) !== channel) return;
    this.#failures = 0;
    channel.isSubscribed = true;
  }

  #lose(ear: Ear): void {
    if (this.#ear !== ear) return;
    this.#ear = undefined;
    for (const channel of this.#channels.values()) channel.isSubscribed = false;
    this.#openLater();
  }

  #openLater(): void {
    this.#failures += 1;
    this.#clock.setBackgroundTimer(registryDelayMs(this.#failures, systemRandom.fraction()), () => {
      if (this.#ear === undefined && this.#channels.size > 0) this.#open();
    });
  }
}
