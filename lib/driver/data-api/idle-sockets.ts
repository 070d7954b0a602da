import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { RDSDataClientConfig } from '@aws-sdk/client-rds-data';
import type { Clock, Instant } from '../../core/clock.ts';

/** Servers close what has been idle for some seconds, Node's own after five; a frozen process does not see it. */
const IDLE_MAX_MS = 4_000;

/**
 * The SDK's kept-alive connections. A request on one that the service has just closed fails, and nobody can say whether it had
 * arrived: where nothing may be sent twice that would be an error for the user after each pause. So what has been idle for long, by both clocks,
 * is dropped before the next call, and that makes a connection of its own.
 */
export class IdleSockets {
  readonly #clock: Clock;
  readonly #httpAgent = new HttpAgent({ keepAlive: true, maxSockets: 50 });
  readonly #httpsAgent = new HttpsAgent({ keepAlive: true, maxSockets: 50 });
  readonly #freeSince = new WeakMap<object, Instant>();

  constructor(clock: Clock) {
    this.#clock = clock;
    for (const agent of [this.#httpAgent, this.#httpsAgent])
      agent.on('free', (socket: object) => this.#freeSince.set(socket, clock.read()));
  }

  /** With these sockets, unless the user has brought a handler or agents of their own. */
  within(config: RDSDataClientConfig = {}): RDSDataClientConfig {
    const given: unknown = config.requestHandler ?? {};
    if (typeof Reflect.get(Object(given), 'handle') === 'function') return config;
    const agents = { httpAgent: this.#httpAgent, httpsAgent: this.#httpsAgent };
    return { ...config, requestHandler: { ...agents, ...Object(given) } };
  }

  dropOld(): void {
    for (const { freeSockets } of [this.#httpAgent, this.#httpsAgent])
      for (const socket of Object.values(freeSockets).flat())
        if (socket && this.#isOld(socket)) socket.destroy();
  }

  #isOld(socket: object): boolean {
    const since = this.#freeSince.get(socket);
    return since === undefined || this.#clock.elapsedMs(since) >= IDLE_MAX_MS;
  }
}
